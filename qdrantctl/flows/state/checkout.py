"""Whether what a command works with is committed: the manifests, and the project's own files."""

from __future__ import annotations

from collections.abc import Iterable

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.system import git
from qdrantctl.model.resource import Inventory


def find_uncommitted_files(settings: Settings, desired: Inventory) -> list[str] | None:
    """Manifests and project files that HEAD does not have as they are; None without git."""
    used = {resource.origin.file for resource in desired.values() if resource.origin}
    return git.uncommitted_files(
        settings.root, (*settings.manifests, *settings.files), used | set(settings.files)
    )


def committed_as(settings: Settings, desired: Inventory) -> str:
    """The commit that has the manifests and the project's files as they are; empty for none."""
    if settings.partial or find_uncommitted_files(settings, desired) != []:
        return ""
    return git.resolve_commit(settings.root, git.HEAD)


def list_names(names: Iterable[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more
