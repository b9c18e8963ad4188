"""The version of Qdrant that a project's embedded server must have."""

from __future__ import annotations

from pathlib import Path

from qdrantctl.adapters.project.environment import MergedEnvironment, merge_environment
from qdrantctl.adapters.project.settings import choose_environment, load_project
from qdrantctl.model.errors import ManifestError, UsageError
from qdrantctl.model.key_source import FromVariable
from qdrantctl.model.project import EMBEDDED


def find_embedded_version(directory: Path, environment: str | None) -> str:
    """The version that the embedded server of a project must have; empty for any.

    Without `environment`, that of all embedded environments. Raises UsageError, and ManifestError
    only for a stated environment: otherwise the embedded server needs no project file.
    """
    try:
        chain = load_project(directory)
        names = chain.environment_names
        if environment is not None:
            names = (choose_environment(chain, environment, need_server=True),)
        merged = [merge_environment(chain, name) for name in names]
    except (UsageError, ManifestError):
        if environment is not None:
            raise
        return ""
    embedded = [e for e in merged if _may_be_embedded(e)]
    if environment is not None and not embedded:
        raise UsageError(f"environment {environment} is not embedded")
    versions = {e.value("version") or "" for e in embedded}
    if len(versions) > 1:
        raise UsageError(
            "which environment is meant?",
            why="Embedded environments state different versions: "
            + ", ".join(f"{e.name} {e.value('version') or 'any'}" for e in embedded),
            hint="Select one with -e NAME.",
        )
    return versions.pop() if versions else ""


def _may_be_embedded(environment: MergedEnvironment) -> bool:
    """A variable may name the embedded server; a version is stated for no other."""
    url = environment.value("url")
    return url == EMBEDDED or (isinstance(url, FromVariable) and bool(environment.value("version")))
