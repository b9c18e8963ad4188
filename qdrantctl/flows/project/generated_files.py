"""Generated files that their owner may edit: a later generation keeps the edits, or says so.

Beside each file a copy of the text that was generated is committed. It is the base of a three-way
merge: between it and the file are the edits, between it and the new text is what changed in the
project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from pathlib import Path

from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.adapters.system import git
from qdrantctl.model.errors import SettingsError


class FileResult(StrEnum):
    """What was done with a generated file."""

    WRITTEN = "wrote"
    UPDATED = "updated"
    MERGED = "merged"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    LEFT_OUT = "left out"
    """It was generated before, and the owner removed it."""
    CONFLICT = "conflict"
    """It was not changed: an edit contradicts the new text."""
    UNKNOWN = "unknown"
    """It was not changed: it was not generated here."""

    @classmethod
    def unmerged(cls) -> tuple[FileResult, ...]:
        """The results of files that are not current now."""
        return (cls.CONFLICT, cls.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A generated file, and what was done with it."""

    path: Path
    result: FileResult
    todo: str = ""
    """After a conflict: what to change in it manually, as a unified diff."""


def update_files(
    root: Path, bases: Path, texts: Mapping[str, str], obsolete: Iterable[str]
) -> tuple[GeneratedFile, ...]:
    """Write `texts` by their path from `root`, and remove `obsolete` ones; keep every edit.

    `bases` is the folder of the copies. Raises SettingsError if a file cannot be read or written.
    """
    try:
        written = [
            _update_file(root / name, bases / _base_name(name), t) for name, t in texts.items()
        ]
        removed = [_remove_file(root / name, bases / _base_name(name)) for name in obsolete]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the files of the pipelines cannot be written: {error}") from None
    return (*written, *(file for file in removed if file))


def _base_name(name: str) -> str:
    """The copy of `.github/workflows/qdrantctl.yml` is `qdrantctl.yml`, without a leading dot."""
    return Path(name).name.lstrip(".")


def _update_file(path: Path, base_path: Path, new: str) -> GeneratedFile:
    if not path.exists():
        if base_path.exists():
            return GeneratedFile(path, FileResult.LEFT_OUT)
        return _write_file(path, base_path, new, new, FileResult.WRITTEN)
    current = path.read_bytes().decode()
    base = base_path.read_bytes().decode() if base_path.exists() else None
    if current == new:
        if base != new:
            _replace(base_path, new)
        return GeneratedFile(path, FileResult.UNCHANGED)
    if base is None:
        return GeneratedFile(path, FileResult.UNKNOWN)
    if base == new:
        return GeneratedFile(path, FileResult.UNCHANGED)
    if current == base:
        return _write_file(path, base_path, new, new, FileResult.UPDATED)
    merged = git.merge_texts(base, current, new)
    if merged is None:
        return GeneratedFile(path, FileResult.CONFLICT, _diff(path, base, new))
    return _write_file(path, base_path, merged, new, FileResult.MERGED)


def _remove_file(path: Path, base_path: Path) -> GeneratedFile | None:
    """Remove a file that is generated no longer, unless it was edited."""
    if not base_path.exists():
        return None
    base = base_path.read_bytes()
    if path.exists() and path.read_bytes() != base:
        return GeneratedFile(path, FileResult.CONFLICT, _diff(path, base.decode(), ""))
    path.unlink(missing_ok=True)
    base_path.unlink()
    return GeneratedFile(path, FileResult.REMOVED)


def _write_file(
    path: Path, base_path: Path, text: str, base: str, result: FileResult
) -> GeneratedFile:
    _replace(path, text)
    _replace(base_path, base)
    return GeneratedFile(path, result)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())


def _diff(path: Path, before: str, after: str) -> str:
    lines = unified_diff(before.splitlines(), after.splitlines(), str(path), str(path), lineterm="")
    return "\n".join(lines)
