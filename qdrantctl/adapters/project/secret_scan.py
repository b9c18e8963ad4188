"""Searches the files of a project for keys. Reports file and line, never the text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.project.project_file import ProjectFiles
from qdrantctl.adapters.secrets.detect import find_secret
from qdrantctl.adapters.system import git
from qdrantctl.model.audit.evidence import LeakedSecret

MAX_FILES = 20_000
MAX_FILE_BYTES = 1_000_000
"""Of one file; larger files rarely contain keys."""

_CONFIGURATION = frozenset({
    "", ".cfg", ".conf", ".env", ".ini", ".j2", ".json", ".properties", ".tfvars", ".toml", ".yaml",
    ".yml",
})  # fmt: skip
"""Files in which a name with a value is a setting. In source code it is mostly a variable."""


def list_project_files(
    root: Path, chain: ProjectFiles | None, manifests: Iterable[str]
) -> list[Path]:
    """The files of a project: tracked or addable by git, or named by the project file."""
    candidates = [root / name for name in manifests if name != "-"]
    for layer in chain.layers if chain else ():
        candidates.append(layer.path)
        for environment in layer.spec.environments.values():
            candidates += [layer.folder / name for name in environment.vars_files or ()]
    candidates += _list_git_files(root)
    paths = dict.fromkeys(Path(os.path.normpath(path)) for path in candidates)
    return [path for path in paths if path.is_file()][:MAX_FILES]


def _list_git_files(root: Path) -> list[Path]:
    """Tracked files, and new ones that are not ignored; none outside a repository."""
    listing = git.run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listing is None or listing[0] != 0:
        return []
    return [root / os.fsdecode(name) for name in listing[1].split(b"\0") if name]


def find_leaks(paths: Iterable[Path], root: Path, key: str | None) -> Iterator[LeakedSecret]:
    """Text that looks like a key. `key` is the one in use, which is found at any place."""
    for path in paths:
        text, settings = _read_text(path), path.suffix.lower() in _CONFIGURATION
        for number, line in enumerate(text.split("\n"), 1):
            if description := find_secret(line, key, settings=settings):
                yield LeakedSecret(os.path.relpath(path, root), number, description)


def _read_text(path: Path) -> str:
    """The text of a file; empty if it is large, not text or not readable."""
    with suppress(OSError, UnicodeDecodeError):
        if path.stat().st_size <= MAX_FILE_BYTES:
            return path.read_text(encoding="utf-8")
    return ""
