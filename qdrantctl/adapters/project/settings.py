"""Finds the project file, and resolves the settings of a command: environment, server, consents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import date
from pathlib import Path

from qdrantctl.adapters.project.connection import (
    Connection,
    connect_by_environment,
    connect_by_url,
    find_known_key,
    find_other_urls,
)
from qdrantctl.adapters.project.environment import (
    MergedEnvironment,
    load_template_values,
    merge_environment,
)
from qdrantctl.adapters.project.guards import ALIAS_MIN_RATIO, read_guards
from qdrantctl.adapters.project.project_file import ProjectFiles, load_project_files
from qdrantctl.adapters.project.snapshot_signing import SigningSource, find_signing_source
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.model.address import Address
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import UsageError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.gates import Gates
from qdrantctl.model.project import EMBEDDED
from qdrantctl.model.violation import Severity, Violation

PROJECT_FILE = "qdrantctl.yaml"
MANIFESTS = "manifests"
NONE = "-"
"""The name of the project or the environment if there is none."""


@frozen
class Settings:
    """The settings of one command."""

    root: Path
    """Folder of the project file, else the working directory; absolute."""
    project: str = NONE
    environment: str = NONE
    environments: tuple[str, ...] = ()
    """Every environment of the project."""
    previous_owners: frozenset[str] = frozenset()
    """Owners whose records count as this project's: `store/prod`."""
    cloned_owners: frozenset[str] = frozenset()
    """Those among them whose records came along with a copy of their cluster."""
    other_urls: Mapping[str, str] = field(default_factory=dict)
    """The URL of the project's other environments by owner, where it is known."""
    manifests: tuple[str, ...] = ()
    """Files, folders and globs relative to `root`; `-` is stdin."""
    partial: bool = False
    """Whether manifests were named with -f: no resource is deleted or released."""
    vars: Mapping[str, Json] = field(default_factory=dict)
    """Values for templates."""
    endpoint: Endpoint | None = None
    """The server; None if it is embedded, or if none is needed."""
    api_key: str | None = field(default=None, repr=False)
    """The key in use, if it is known: without a server only from a variable."""
    embedded: bool = False
    embedded_version: str = ""
    """The version of Qdrant that an embedded server must have; empty for any."""
    nodes: tuple[str, ...] = ()
    """The URL of each node, if stated."""
    protected: bool = False
    on_drift: str = "revert"
    """revert, keep or refuse."""
    alias_min_ratio: float = ALIAS_MIN_RATIO
    """Share of the present points below which a move of an alias needs consent."""
    gates: Gates = field(default_factory=Gates)
    state: Path = Path("state")
    """Folder of the committed state, absolute."""
    consents: tuple[Consent, ...] = ()
    """Valid today in this environment."""
    removed: frozenset[Address] = frozenset()
    rules: Mapping[str, Severity] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Notes for the user, e.g. about an expired consent."""
    leaked_secrets: tuple[Violation, ...] = ()
    """Secrets in the project file."""
    files: tuple[str, ...] = ()
    """The project file, what it extends, and the files of values, relative to `root`."""
    guard_findings: tuple[Violation, ...] = ()
    """Statements of the project file that do not count because the environment is protected."""
    signing: SigningSource | None = None
    """Source of the keys that sign snapshot sets; None if sets need no signature."""

    @property
    def owner(self) -> str:
        """`shop/prod`; `-/-` without a project file."""
        return f"{self.project}/{self.environment}"

    @property
    def owners(self) -> tuple[str, ...]:
        """The owner, then its previous names."""
        return (self.owner, *sorted(self.previous_owners))

    def valid_consents(self, flags: tuple[Consent, ...]) -> tuple[Consent, ...]:
        """The valid consents; those of flags count only if the environment is not protected."""
        return self.consents if self.protected else (*self.consents, *flags)

    @property
    def state_folder(self) -> Path | None:
        """Folder of this environment's committed state; None without one."""
        if self.no_state_reason:
            return None
        return self.state / self.environment

    @property
    def no_state_reason(self) -> str:
        """Why there is no committed state; empty if there may be one."""
        if self.embedded:
            return f"{self.environment} is embedded, and an embedded server has none"
        if self.environment == NONE:
            return "it belongs to an environment of a project, and none is chosen"
        return "with -f there is none" if self.partial else ""


def resolve_settings(
    *,
    directory: Path,
    files: tuple[str, ...],
    url: str | None,
    environment: str | None,
    need_server: bool,
    today: date,
    environ: Mapping[str, str],
) -> Settings:
    """Resolve the settings of a command.

    `files` are those of -f, relative to `directory`. Without `need_server` no key is fetched and
    no variable is read for one. Raises UsageError for contradictory flags, ManifestError for errors
    in the project file, SettingsError for errors in files and variables that it refers to.
    """
    directory = Path(os.path.abspath(directory))  # noqa: PTH100  # symbolic links stay as written
    _require_one_server(url, environment)
    project_file = find_project_file(directory)
    if project_file is None:
        return _settings_without_project(directory, files, url, environment, need_server, environ)
    chain = load_project_files(project_file)
    root = project_file.parent
    name = (
        NONE if url is not None else choose_environment(chain, environment, need_server=need_server)
    )
    merged = merge_environment(chain, name)
    guards = read_guards(chain, merged, today)
    values = load_template_values(merged, root)
    connection, api_key = _resolve_connection(url, merged, environ, need_server=need_server)
    return Settings(
        root=root,
        project=chain.project.metadata.name,
        environment=name,
        environments=chain.environment_names,
        previous_owners=frozenset(
            f"{previous}/{name}" for previous in chain.project.metadata.previous_names
        ),
        other_urls=find_other_urls(chain, merged, environ),
        manifests=_named_files(directory, files, root)
        if files
        else _manifest_patterns(chain, root),
        partial=bool(files),
        vars=values,
        endpoint=connection.endpoint,
        api_key=api_key,
        embedded=connection.embedded or merged.value("url") == EMBEDDED,
        embedded_version=merged.value("version") or "",
        nodes=connection.nodes,
        protected=guards.protected,
        on_drift=_drift_policy(merged),
        alias_min_ratio=guards.alias_min_ratio,
        gates=guards.gates,
        state=root / chain.project.spec.state,
        consents=guards.consents,
        removed=guards.removed,
        rules={rule: how for layer in chain.layers for rule, how in layer.spec.rules.items()},
        notes=guards.notes,
        leaked_secrets=tuple(v for layer in chain.layers for v in layer.find_secrets(api_key)),
        files=tuple(
            os.path.relpath(path, root)
            for path in (*(layer.path for layer in chain.layers), *merged.value_files)
        ),
        signing=find_signing_source(chain, environ),
    )


def _require_one_server(url: str | None, environment: str | None) -> None:
    if url is not None and environment is not None:
        message = "--url and an environment name two servers"
        raise UsageError(message, hint="Leave out --url, or -e and QDRANTCTL_ENV.")


def _drift_policy(merged: MergedEnvironment) -> str:
    return "refuse" if merged.value("protected") else merged.value("on_drift") or "revert"


def _resolve_connection(
    url: str | None, merged: MergedEnvironment, environ: Mapping[str, str], *, need_server: bool
) -> tuple[Connection, str | None]:
    """The server and the key. Resolved last, since it may run a command."""
    if not need_server:
        return Connection(), find_known_key(merged, environ)
    connection = (
        connect_by_url(url, "--url", environ) if url else connect_by_environment(merged, environ)
    )
    return connection, connection.endpoint.api_key if connection.endpoint else find_known_key(
        merged, environ
    )


def settings_for_owner(
    *, directory: Path, url: str | None, owner: str, environ: Mapping[str, str]
) -> Settings:
    """Settings for the records of one owner, without a project, from its name and a server.

    Raises UsageError.
    """
    project, slash, environment = owner.partition("/")
    if not (project and slash and environment) or "/" in environment:
        raise UsageError(
            f"--owner {owner!r} is not an owner",
            hint="Write PROJECT/ENVIRONMENT, as in shop/prod; every plan prints it at the top.",
        )
    connection = _named_server(url, environ)
    return Settings(
        root=Path(os.path.abspath(directory)),  # noqa: PTH100  # as in resolve
        project=project,
        environment=environment,
        endpoint=connection.endpoint,
        embedded=connection.embedded,
    )


def add_nodes(
    settings: Settings, nodes: tuple[str, ...], url: str | None, environ: Mapping[str, str]
) -> Settings:
    """The settings with the nodes that the command line names for --url. Raises UsageError."""
    if nodes and not url:
        raise UsageError("--node requires --url; an environment states its own nodes")
    endpoints = (connect_by_url(node, "--node", environ).endpoint for node in nodes)
    return replace(settings, nodes=tuple(e.url for e in endpoints if e)) if nodes else settings


def find_project_file(directory: Path) -> Path | None:
    """The project file in `directory`, or in the nearest folder above that has one."""
    for folder in (directory, *directory.parents):
        if os.path.lexists(folder / PROJECT_FILE):
            return folder / PROJECT_FILE
    return None


def find_project_signing(directory: Path, environ: Mapping[str, str]) -> SigningSource | None:
    """The project's source of keys that sign snapshot sets, if any. Raises ManifestError."""
    if find_project_file(Path(os.path.abspath(directory))) is None:  # noqa: PTH100  # as in resolve
        return None
    return find_signing_source(load_project(directory), environ)


def list_environments(directory: Path) -> tuple[str, ...]:
    """Every environment of the project. Raises UsageError without a project, ManifestError."""
    return load_project(directory).environment_names


def list_connection_variables(directory: Path, environment: str) -> dict[str, str]:
    """The variables that hold an environment's `url` and `api_key`, if they are in variables.

    Raises UsageError without a project, ManifestError.
    """
    if environment == NONE:
        return {"url": "QDRANT_URL", "api_key": "QDRANT_API_KEY"}
    merged = merge_environment(load_project(directory), environment)
    variables = {key: getattr(merged.value(key), "env", None) for key in ("url", "api_key")}
    return {key: name for key, name in variables.items() if name}


def load_project(directory: Path) -> ProjectFiles:
    """The project files. Raises UsageError without a project, ManifestError."""
    project_file = find_project_file(Path(os.path.abspath(directory)))  # noqa: PTH100  # as in resolve
    if project_file is None:
        raise UsageError(
            f"there is no {PROJECT_FILE} in {directory} or above",
            hint="Run `qdrantctl init` to start a project.",
        )
    return load_project_files(project_file)


def choose_environment(chain: ProjectFiles, stated: str | None, *, need_server: bool) -> str:
    """The selected environment: the stated one, the default, or the only one.

    Raises UsageError.
    """
    names = chain.environment_names
    stated = chain.default_environment if stated is None else stated
    if stated is not None:
        if stated in names:
            return stated
        from difflib import get_close_matches

        close = get_close_matches(stated, names, 1)
        raise UsageError(
            f"there is no environment {stated!r}",
            why=f"The project file defines {', '.join(names)}." if names else "It defines none.",
            hint=f"Did you mean {close[0]!r}?" if close else "",
        )
    if len(names) == 1:
        return names[0]
    if not names and not need_server:
        return NONE
    if not names:
        raise UsageError(
            "the project file names no environment",
            hint="Add one under spec.environments, or name a server with --url.",
        )
    raise UsageError(
        "which environment is meant?",
        why=f"The project file defines {', '.join(names)}.",
        hint="Select one with -e NAME, QDRANTCTL_ENV, or default_environment in the project file.",
    )


def _settings_without_project(
    directory: Path,
    files: tuple[str, ...],
    url: str | None,
    environment: str | None,
    need_server: bool,
    environ: Mapping[str, str],
) -> Settings:
    """Settings from the command line alone."""
    if environment is not None:
        raise UsageError(
            f"environment {environment!r} is stated, and there is no {PROJECT_FILE}",
            hint="Run `qdrantctl init`, or change to the project's folder (-C DIR).",
        )
    connection = Connection()
    if need_server:
        reason = f"there is no {PROJECT_FILE} in {directory} or above, and "
        connection = _named_server(url, environ, reason)
    return Settings(
        root=directory,
        manifests=files,
        partial=True,
        endpoint=connection.endpoint,
        api_key=connection.endpoint.api_key
        if connection.endpoint
        else find_known_key(None, environ),
        embedded=connection.embedded,
    )


def _named_server(url: str | None, environ: Mapping[str, str], where: str = "") -> Connection:
    """The server that the command line or QDRANT_URL names. Raises UsageError."""
    stated = url or environ.get("QDRANT_URL")
    if not stated:
        start = "Run `qdrantctl init` to start a project, or name" if where else "Name"
        raise UsageError(
            f"{where}no server is named",
            hint=f"{start} a server with --url https://host:6333 or QDRANT_URL.",
        )
    return connect_by_url(stated, "--url" if url else "QDRANT_URL", environ)


def _named_files(directory: Path, files: tuple[str, ...], root: Path) -> tuple[str, ...]:
    """The files of -f, relative to the project's folder."""
    return tuple(f if f == "-" else os.path.relpath(directory / f, root) for f in files)


def _manifest_patterns(chain: ProjectFiles, root: Path) -> tuple[str, ...]:
    """The manifests of every project file, relative to the project's folder.

    By default the project uses the folder `manifests`, which may be missing if other files state
    manifests.
    """
    patterns = [
        os.path.relpath(layer.folder / pattern, root)
        for layer in chain.layers
        for pattern in layer.spec.manifests or ()
    ]
    if chain.project.spec.manifests is None and (not patterns or (root / MANIFESTS).is_dir()):
        patterns.append(MANIFESTS)
    return tuple(patterns)
