"""Looks for keys in the files of a project. Tells file and line, never what stands there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.project.project_file import ProjectFiles
from qdrantctl.adapters.secrets.detect import find_secret
from qdrantctl.adapters.system import git
from qdrantctl.model.audit.evidence import LeakedSecret

MOST_FILES = 20_000
MOST_BYTES = 1_000_000
"""Of one file; a longer one is no place where people write keys."""

_CONFIGURATION = frozenset({
    "", ".cfg", ".conf", ".env", ".ini", ".j2", ".json", ".properties", ".tfvars", ".toml", ".yaml",
    ".yml",
})  # fmt: skip
"""Files in which a name beside a value is a setting. In source code it is mostly a variable."""


def list_project_files(
    root: Path, chain: ProjectFiles | None, manifests: Iterable[str]
) -> list[Path]:
    """The files of a project: what git knows or would add, and what the project file names."""
    found = [root / name for name in manifests if name != "-"]
    for layer in chain.layers if chain else ():
        found.append(layer.path)
        for environment in layer.spec.environments.values():
            found += [layer.folder / name for name in environment.vars_files or ()]
    found += _list_git_files(root)
    paths = dict.fromkeys(Path(os.path.normpath(path)) for path in found)
    return [path for path in paths if path.is_file()][:MOST_FILES]


def _list_git_files(root: Path) -> list[Path]:
    """Tracked files, and new ones that are not ignored; none where this is no repository."""
    told = git.run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if told is None or told[0] != 0:
        return []
    return [root / os.fsdecode(name) for name in told[1].split(b"\0") if name]


def find_leaks(paths: Iterable[Path], root: Path, key: str | None) -> Iterator[LeakedSecret]:
    """What looks like a key. `key` is the one in use, which is found wherever it stands."""
    for path in paths:
        text, settings = _read_text(path), path.suffix.lower() in _CONFIGURATION
        for number, line in enumerate(text.splitlines(), 1):
            if what := find_secret(line, key, settings=settings):
                yield LeakedSecret(os.path.relpath(path, root), number, what)


def _read_text(path: Path) -> str:
    """The text of a file; empty for one that is large, not text or not to be read."""
    with suppress(OSError, UnicodeDecodeError):
        if path.stat().st_size <= MOST_BYTES:
            return path.read_text(encoding="utf-8")
    return ""
