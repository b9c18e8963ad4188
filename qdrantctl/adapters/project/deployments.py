"""The environments that pipelines apply to, and what their connection is read from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qdrantctl.adapters.project.environment import MergedEnvironment, merge_environment
from qdrantctl.adapters.project.guards import read_guards
from qdrantctl.adapters.project.project_file import ProjectFiles
from qdrantctl.adapters.project.settings import find_project_file, load_project
from qdrantctl.model.gates import Gates
from qdrantctl.model.key_source import FromVariable, KeySource
from qdrantctl.model.project import EMBEDDED


@dataclass(frozen=True, slots=True)
class Deployment:
    """An environment with a cluster of its own."""

    name: str
    protected: bool
    gates: Gates
    url_variable: str = ""
    """The variable that holds its URL; empty if the project file states the URL itself."""
    key: KeySource | None = None
    """The source of its key, a file relative to the project's folder; None if it needs no key."""
    signing_variables: tuple[str, ...] = ()
    """The variables that hold the keys that sign snapshot sets."""
    has_other_signing_keys: bool = False
    """Whether such a key comes from a file or a command."""


def list_deployments(directory: Path, today: date) -> tuple[str, tuple[Deployment, ...]]:
    """The project's name, and every environment with a cluster of its own.

    Raises UsageError without a project, ManifestError for errors in the project file.
    """
    chain = load_project(directory)
    environments = (merge_environment(chain, name) for name in chain.environment_names)
    root = (find_project_file(directory.absolute()) or directory).parent
    return chain.project.metadata.name, tuple(
        _deployment(chain, environment, root, today)
        for environment in environments
        if environment.value("url") != EMBEDDED
    )


def _deployment(
    chain: ProjectFiles, environment: MergedEnvironment, root: Path, today: date
) -> Deployment:
    guards = read_guards(chain, environment, today)
    url, signing = environment.value("url"), _signing_sources(chain)
    return Deployment(
        environment.name,
        guards.protected,
        guards.gates,
        url.env if isinstance(url, FromVariable) else "",
        _key_source(environment, root),
        tuple(source.env for source in signing if source.env is not None),
        any(source.env is None for source in signing),
    )


def _key_source(environment: MergedEnvironment, root: Path) -> KeySource | None:
    """The source of the key; a relative file begins at `root`, not at the file that states it."""
    key = environment.get("api_key")
    if key is None:
        return None
    source: KeySource = key.value
    if source.file is None or source.file.startswith(("/", "~")):
        return source
    return KeySource(file=os.path.relpath(key.layer.folder / source.file, root))


def _signing_sources(chain: ProjectFiles) -> tuple[KeySource, ...]:
    stated = [layer.spec.snapshot_signing for layer in chain.layers if layer.spec.snapshot_signing]
    return (stated[-1].key, *stated[-1].previous_keys) if stated else ()
