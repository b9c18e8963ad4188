"""Finds the project file, and settles what a command works with: environment, server, consents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from qdrantctl.adapters.project.connection import (
    Connection,
    connect_by_environment,
    connect_by_url,
    find_known_key,
)
from qdrantctl.adapters.project.environment import (
    MergedEnvironment,
    load_template_values,
    merge_environment,
)
from qdrantctl.adapters.project.project_file import ProjectFiles, load_project_files
from qdrantctl.adapters.project.snapshot_signing import SigningSource, find_signing_source
from qdrantctl.adapters.qdrant.client import Endpoint
from qdrantctl.model.address import Address
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import UsageError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.project import EMBEDDED
from qdrantctl.model.violation import Severity, Violation

PROJECT_FILE = "qdrantctl.yaml"
MANIFESTS = "manifests"
NONE = "-"
"""Stands for a project, or an environment, where there is none."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one command works with."""

    root: Path
    """Folder of the project file, else the working directory; absolute."""
    project: str = NONE
    environment: str = NONE
    previous_owners: frozenset[str] = frozenset()
    """Owners whose records count as ours: `store/prod`."""
    manifests: tuple[str, ...] = ()
    """Files, folders and globs relative to `root`; `-` is stdin."""
    partial: bool = False
    """Manifests were named with -f: nothing is deleted or forgotten."""
    vars: Mapping[str, Json] = field(default_factory=dict)
    """Values for templates."""
    endpoint: Endpoint | None = None
    """The server; None when it is embedded, or when none is needed."""
    api_key: str | None = field(default=None, repr=False)
    """The key in use, as far as it is known: without a server only from a variable."""
    embedded: bool = False
    nodes: tuple[str, ...] = ()
    """Each node's own address, where stated."""
    protected: bool = False
    on_drift: str = "revert"
    """revert, keep or refuse."""
    state: Path = Path("state")
    """Folder of the committed state, absolute."""
    consents: tuple[Consent, ...] = ()
    """In force today in this environment."""
    removed: frozenset[Address] = frozenset()
    rules: Mapping[str, Severity] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the user should know, e.g. of a consent that expired."""
    given_away: tuple[Violation, ...] = ()
    """Secrets in the project file."""
    signing: SigningSource | None = None
    """Where the keys are that sign snapshot sets; None where no signature is wanted."""

    @property
    def owner(self) -> str:
        """`shop/prod`; `-/-` without a project file."""
        return f"{self.project}/{self.environment}"

    @property
    def owners(self) -> tuple[str, ...]:
        """The owner, then its previous names."""
        return (self.owner, *sorted(self.previous_owners))

    def valid_consents(self, flags: tuple[Consent, ...]) -> tuple[Consent, ...]:
        """The consents that count: those of flags only where the environment is not protected."""
        return self.consents if self.protected else (*self.consents, *flags)

    @property
    def state_folder(self) -> Path | None:
        """Folder of this environment's committed state; None where it has none."""
        if self.no_state_reason:
            return None
        return self.state / self.environment

    @property
    def no_state_reason(self) -> str:
        """Why there is no committed state here; empty where there may be some."""
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
    """Settle what a command works with.

    `files` are those of -f and start from `directory`. Without `need_server` no key is fetched and
    no variable is read for one. Raises UsageError for words that make no sense together,
    ManifestError for what is wrong with the project file, SettingsError for what it refers to.
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
    chosen = merge_environment(chain, name)
    consents, notes = _valid_consents(chain, name, today)
    values = load_template_values(chosen, root)
    reach, api_key = _resolve_connection(url, chosen, environ, need_server=need_server)
    return Settings(
        root=root,
        project=chain.project.metadata.name,
        environment=name,
        previous_owners=frozenset(f"{old}/{name}" for old in chain.project.metadata.previous_names),
        manifests=_named_files(directory, files, root)
        if files
        else _manifest_patterns(chain, root),
        partial=bool(files),
        vars=values,
        endpoint=reach.endpoint,
        api_key=api_key,
        embedded=reach.embedded or chosen.value("url") == EMBEDDED,
        nodes=reach.nodes,
        protected=bool(chosen.value("protected")),
        on_drift=_drift_policy(chosen),
        state=root / chain.project.spec.state,
        consents=consents,
        removed=frozenset(r.parsed_address for layer in chain.layers for r in layer.spec.removed),
        rules={rule: how for layer in chain.layers for rule, how in layer.spec.rules.items()},
        notes=notes,
        given_away=tuple(v for layer in chain.layers for v in layer.find_secrets(api_key)),
        signing=find_signing_source(chain, environ),
    )


def _require_one_server(url: str | None, environment: str | None) -> None:
    if url is not None and environment is not None:
        words = "--url and an environment name two servers"
        raise UsageError(words, hint="Leave out --url, or -e and QDRANTCTL_ENV.")


def _drift_policy(chosen: MergedEnvironment) -> str:
    return "refuse" if chosen.value("protected") else chosen.value("on_drift") or "revert"


def _resolve_connection(
    url: str | None, chosen: MergedEnvironment, environ: Mapping[str, str], *, need_server: bool
) -> tuple[Connection, str | None]:
    """The server and the key. Comes last, because a command may be run for it."""
    if not need_server:
        return Connection(), find_known_key(chosen, environ)
    reach = (
        connect_by_url(url, "--url", environ) if url else connect_by_environment(chosen, environ)
    )
    return reach, reach.endpoint.api_key if reach.endpoint else find_known_key(chosen, environ)


def settings_for_owner(
    *, directory: Path, url: str | None, owner: str, environ: Mapping[str, str]
) -> Settings:
    """Settings for the records of one owner, without a project: its name and a server are enough.

    Raises UsageError.
    """
    project, slash, environment = owner.partition("/")
    if not (project and slash and environment) or "/" in environment:
        raise UsageError(
            f"--owner {owner!r} is not an owner",
            hint="Write PROJECT/ENVIRONMENT, as in shop/prod; every plan names it in its head.",
        )
    reach = _named_server(url, environ)
    return Settings(
        root=Path(os.path.abspath(directory)),  # noqa: PTH100  # as in resolve
        project=project,
        environment=environment,
        endpoint=reach.endpoint,
        embedded=reach.embedded,
    )


def add_nodes(
    settings: Settings, nodes: tuple[str, ...], url: str | None, environ: Mapping[str, str]
) -> Settings:
    """With the nodes that the command line names beside --url. Raises UsageError."""
    if nodes and not url:
        raise UsageError("--node goes with --url; an environment states its nodes itself")
    reached = (connect_by_url(node, "--node", environ).endpoint for node in nodes)
    return replace(settings, nodes=tuple(e.url for e in reached if e)) if nodes else settings


def find_project_file(directory: Path) -> Path | None:
    """The project file in `directory`, or in the nearest folder above that has one."""
    for folder in (directory, *directory.parents):
        if os.path.lexists(folder / PROJECT_FILE):
            return folder / PROJECT_FILE
    return None


def find_project_signing(directory: Path, environ: Mapping[str, str]) -> SigningSource | None:
    """Where the keys are that sign snapshot sets, whichever environment is meant.

    None without a project, and where no signature is wanted. Raises ManifestError.
    """
    if find_project_file(Path(os.path.abspath(directory))) is None:  # noqa: PTH100  # as in resolve
        return None
    return find_signing_source(_load_project(directory), environ)


def list_environments(directory: Path) -> tuple[str, ...]:
    """Every environment of the project. Raises UsageError without a project, ManifestError."""
    return _load_project(directory).environment_names


def list_deployments(directory: Path) -> dict[str, bool]:
    """Every environment with a cluster of its own, and whether it is protected.

    Raises UsageError without a project, ManifestError.
    """
    chain = _load_project(directory)
    merged = [merge_environment(chain, name) for name in chain.environment_names]
    return {e.name: bool(e.value("protected")) for e in merged if e.value("url") != EMBEDDED}


def list_connection_variables(directory: Path, environment: str) -> dict[str, str]:
    """The variables that an environment's `url` and `api_key` stand in, where they do.

    Raises UsageError without a project, ManifestError.
    """
    if environment == NONE:
        return {"url": "QDRANT_URL", "api_key": "QDRANT_API_KEY"}
    stated = merge_environment(_load_project(directory), environment)
    named = {word: getattr(stated.value(word), "env", None) for word in ("url", "api_key")}
    return {word: name for word, name in named.items() if name}


def _load_project(directory: Path) -> ProjectFiles:
    project_file = find_project_file(Path(os.path.abspath(directory)))  # noqa: PTH100  # as in resolve
    if project_file is None:
        raise UsageError(
            f"there is no {PROJECT_FILE} in {directory} or above",
            hint="Run `qdrantctl init` to start a project.",
        )
    return load_project_files(project_file)


def choose_environment(chain: ProjectFiles, stated: str | None, *, need_server: bool) -> str:
    """The environment that is meant: the one stated, or the only one. Raises UsageError."""
    known = chain.environment_names
    if stated is not None:
        if stated in known:
            return stated
        close = get_close_matches(stated, known, 1)
        raise UsageError(
            f"there is no environment {stated!r}",
            why=f"The project file knows {', '.join(known)}." if known else "It knows none.",
            hint=f"Did you mean {close[0]!r}?" if close else "",
        )
    if len(known) == 1:
        return known[0]
    if not known and not need_server:
        return NONE
    if not known:
        raise UsageError(
            "the project file names no environment",
            hint="Add one under spec.environments, or name a server with --url.",
        )
    raise UsageError(
        "which environment is meant?",
        why=f"The project file knows {', '.join(known)}.",
        hint="Say it with -e NAME, or set QDRANTCTL_ENV.",
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
    reach = Connection()
    if need_server:
        where = f"there is no {PROJECT_FILE} in {directory} or above, and "
        reach = _named_server(url, environ, where)
    return Settings(
        root=directory,
        manifests=files,
        partial=True,
        endpoint=reach.endpoint,
        api_key=reach.endpoint.api_key if reach.endpoint else find_known_key(None, environ),
        embedded=reach.embedded,
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
    """The files of -f, seen from the project's folder."""
    return tuple(f if f == "-" else os.path.relpath(directory / f, root) for f in files)


def _manifest_patterns(chain: ProjectFiles, root: Path) -> tuple[str, ...]:
    """Every file's manifests, seen from the project's folder.

    The project's own default is the folder `manifests`, which it may lack where others state some.
    """
    found = [
        os.path.relpath(layer.folder / pattern, root)
        for layer in chain.layers
        for pattern in layer.spec.manifests or ()
    ]
    if chain.project.spec.manifests is None and (not found or (root / MANIFESTS).is_dir()):
        found.append(MANIFESTS)
    return tuple(found)


def _valid_consents(
    chain: ProjectFiles, environment: str, today: date
) -> tuple[tuple[Consent, ...], tuple[str, ...]]:
    """Consents in force, and a note for each that has expired."""
    given: list[Consent] = []
    notes: list[str] = []
    for layer in chain.layers:
        for position, entry in enumerate(layer.spec.consents):
            if entry.environments is not None and environment not in entry.environments:
                continue
            place = layer.locate(("spec", "consents", position))
            if entry.is_valid(today):
                given.append(Consent(entry.verb, entry.pattern, place))
            else:
                words = f"the consent to {entry.verb} {entry.pattern} ({place})"
                notes.append(f"{words} expired after {entry.until}; remove it")
    return tuple(given), tuple(notes)
