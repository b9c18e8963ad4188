"""The flow of `init --ci`: write the pipelines of a project, or update those it wrote before."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qdrantctl.adapters.artifacts.lock_files import render_lock_file
from qdrantctl.adapters.artifacts.pipelines import (
    FOLDERS,
    PipelineKey,
    PipelineProject,
    Target,
    list_pipeline_files,
    lock_path,
    render_pipelines,
)
from qdrantctl.adapters.project.deployments import Deployment, list_deployments
from qdrantctl.adapters.project.settings import PROJECT_FILE, resolve_settings
from qdrantctl.adapters.system import git
from qdrantctl.flows.project.generated_files import GeneratedFile, update_files
from qdrantctl.flows.project.package_lines import PackageLines, choose_package
from qdrantctl.flows.state.desired import load_desired_state
from qdrantctl.kinds.snapshot_policy import SNAPSHOT_POLICY
from qdrantctl.model.comment_marker import comment_marker
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.gates import Gates
from qdrantctl.model.server import UNKNOWN

_YAML_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
_STORE_VARIABLES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"),
}


@dataclass(frozen=True, slots=True)
class WrittenPipelines:
    """The files of the pipelines, and what the operator should know about them."""

    files: tuple[GeneratedFile, ...]
    notices: tuple[str, ...] = ()


def write_pipelines(
    folder: Path, ci: str, package: str | None, today: date, environ: Mapping[str, str]
) -> WrittenPipelines:
    """Write or update the pipelines of the project in `folder`, for `github` or `gitlab`.

    `package` is what they install instead of the installed version of qdrantctl: a wheel in the
    repository, its URL with `#sha256=`, or `git+https://HOST/PATH@COMMIT`. Raises SettingsError,
    UsageError, ManifestError; no file was changed then.
    """
    name, deployments = list_deployments(folder, today)
    if not deployments:
        raise SettingsError(
            f"{folder / PROJECT_FILE} names no environment that a pipeline could apply to",
            hint="Add one with the url of a cluster under spec.environments.",
        )
    root, below = _repository_root(folder)
    policies = {d.name: _destinations(folder, d.name, today, environ) for d in deployments}
    in_order = sorted(deployments, key=lambda deployment: deployment.protected)
    targets = [_target(name, each, deployments, policies[each.name]) for each in in_order]
    lines = choose_package(ci, package, root, root / lock_path(ci))
    project = PipelineProject(name, below, _applied_branch(root), lines.repository)
    texts = {
        lock_path(ci): render_lock_file(lines.lock_lines, with_build_tools=bool(lines.repository)),
        **render_pipelines(ci, project, targets),
    }
    bases = root / FOLDERS[ci] / "base"
    _require_same_project(bases, project)
    obsolete = [path for path in list_pipeline_files(ci) if path not in texts]
    files = update_files(root, bases, texts, obsolete)
    return WrittenPipelines(files, tuple(_notices(lines, deployments, policies)))


def quote_if_needed(name: str) -> str:
    """The name, in quotes if YAML would read a number, a boolean or null."""
    plain = name[0].isalpha() and name.lower() not in _YAML_WORDS
    return name if plain else f'"{name}"'


def _repository_root(folder: Path) -> tuple[Path, str]:
    """The root of the repository, else `folder`; and the path from there to `folder`."""
    top = git.find_toplevel(folder)
    below = os.path.relpath(folder.resolve(), top.resolve()).replace(os.sep, "/") if top else "."
    if not re.fullmatch(r"[\w./-]+", below, re.ASCII):
        raise SettingsError(
            f"the folder {below} has a name that a pipeline cannot contain",
            hint="Letters, digits, dots, dashes and underscores are safe.",
        )
    return folder if top is None or below == "." else Path(os.path.relpath(top)), below


def _applied_branch(root: Path) -> str:
    """The default branch, if its name needs no quotes in YAML."""
    branch = git.find_default_branch(root)
    return branch if re.fullmatch(r"[A-Za-z][\w./-]*", branch, re.ASCII) else "main"


def _require_same_project(bases: Path, project: PipelineProject) -> None:
    """Raise SettingsError if the pipelines in the repository are those of another project."""
    for base in sorted(bases.glob("*.yml")):
        match = re.search(r" from (\S*)qdrantctl\.yaml\.", base.read_text(errors="replace"))
        folder = match[1].rstrip("/") or "." if match else project.folder
        if folder != project.folder:
            raise SettingsError(
                f"the pipelines of this repository are those of the project in {folder}",
                hint=f"A repository holds the pipelines of one project. To replace them, remove "
                f"{bases} and the files that it lists.",
            )


def _destinations(
    folder: Path, environment: str, today: date, environ: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Every destination of the snapshot policies; None if the manifests declare no policy."""
    settings = resolve_settings(
        directory=folder,
        files=(),
        url=None,
        environment=environment,
        need_server=False,
        today=today,
        environ=environ,
    )
    inventory = load_desired_state(settings).inventory
    stated = [
        resource.spec["destination"]
        for address, resource in inventory.items()
        if address.kind == SNAPSHOT_POLICY.name
    ]
    return tuple(dict.fromkeys(d for each in stated for d in each)) if stated else None


def _target(
    project: str,
    deployment: Deployment,
    all_deployments: Sequence[Deployment],
    destinations: tuple[str, ...] | None,
) -> Target:
    """The data of one environment. A variable that several use gets one name for each of them."""
    suffix = deployment.name.upper().replace("-", "_")
    if suffix in (d.name.upper().replace("-", "_") for d in all_deployments if d != deployment):
        raise SettingsError(
            f"the environment {deployment.name} shares the name {suffix} with another one in "
            "variables of pipelines",
            hint="Rename one of them.",
        )
    url, others = deployment.url_variable, [d for d in all_deployments if d != deployment]
    schemes = {destination.partition("://")[0] for destination in destinations or ()}
    for variable in (
        url,
        deployment.key.env if deployment.key else "",
        *deployment.signing_variables,
    ):
        _check_variable(variable or "", deployment.name)
    is_shared = url in (other.url_variable for other in others)
    return Target(
        name=deployment.name,
        quoted=quote_if_needed(deployment.name),
        protected=deployment.protected,
        plan_marker=comment_marker("plan", project, deployment.name),
        gates=_describe_gates(deployment.gates),
        url_variable=url,
        url_name=f"{url}_{suffix}" if url and is_shared else url,
        key=_pipeline_key(deployment, others, suffix),
        signing_variables=deployment.signing_variables if destinations is not None else (),
        store_variables=tuple(
            name
            for scheme, names in _STORE_VARIABLES.items()
            if scheme in schemes
            for name in names
        ),
        has_policies=destinations is not None,
    )


def _pipeline_key(
    deployment: Deployment, others: Sequence[Deployment], suffix: str
) -> PipelineKey | None:
    source = deployment.key
    if source is None:
        return None
    if source.command:
        return PipelineKey(program=source.command[0])
    variable = source.env or ""
    base = variable or "QDRANT_API_KEY"
    keys = [other.key for other in others if other.key and not other.key.command]
    used = {key.env or "QDRANT_API_KEY" for key in keys}
    read_name = f"{base}_READ_ONLY_{suffix}" if base in used else f"{base}_READ_ONLY"
    return PipelineKey(
        variable, _shell_path(source.file or ""), write_name=base, read_name=read_name
    )


def _shell_path(path: str) -> str:
    """The path as a word of a shell, which still expands a leading `~`."""
    if path.startswith("~/"):
        return f'"$HOME"/{shlex.quote(path[2:])}'
    return shlex.quote(path) if path else ""


def _check_variable(name: str, environment: str) -> None:
    if name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
        raise SettingsError(
            f"the environment {environment} names a variable that a pipeline cannot have",
            hint="Letters, digits and underscores are safe.",
        )


def _describe_gates(gates: Gates) -> str:
    parts = [
        *(f"no {change} without a consent" for change in sorted(gates.fail_on)),
        *(word.replace("_", " ") for word in sorted(gates.require)),
    ]
    if gates.min_server_version != UNKNOWN:
        parts.append(f"Qdrant {gates.min_server_version} or newer")
    return ", ".join(parts)


def _notices(
    package: PackageLines,
    deployments: Sequence[Deployment],
    policies: Mapping[str, tuple[str, ...] | None],
) -> list[str]:
    notices = [package.problem] if package.problem else []
    for environment, destinations in policies.items():
        folders = [d for d in destinations or () if d.startswith("file:")]
        if folders:
            notices.append(
                f"policies of {environment} write to {', '.join(folders)}, which in a pipeline is "
                "on the runner's own disk: these sets are lost. Use a bucket as destination."
            )
    has_policies = any(destinations is not None for destinations in policies.values())
    if has_policies and any(d.has_other_signing_keys for d in deployments):
        notices.append(
            "a key that signs snapshots comes from a file or a command: add it to the jobs that "
            "take and verify snapshots."
        )
    return notices
