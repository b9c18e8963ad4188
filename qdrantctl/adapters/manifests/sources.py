"""Finds the files that manifests are read from: each real file once, within limits."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from qdrantctl.adapters.files.read import READABLE_HINT, describe_os_error
from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.violation import Severity, Violation

MAX_FILES = 200_000
SUFFIXES = (".yaml", ".yml", ".yaml.j2", ".yml.j2")
NO_MANIFESTS = "QC002"
"""The rule of a pattern that matches no manifests."""
NO_ENVIRONMENT = "-"
"""Stands for the environment if none is selected."""
STDIN = "<stdin>"
"""The name of standard input in output."""
_MAGIC = frozenset("*?[")

FileId = tuple[int, int]
"""Device and inode: the same for every name of a file."""


@frozen
class Sources:
    """Where manifests are, and the variables of their templates."""

    base: Path
    """The folder that patterns and the file names in output are relative to."""
    patterns: tuple[str, ...]
    """Files, folders, globs (`*`, `?`, `[…]`, `**`), or `-` for standard input."""
    env: str = NO_ENVIRONMENT
    """`env` in templates: the environment's name."""
    vars: Mapping[str, Json] = field(default_factory=dict)
    """`vars` in templates."""
    explicit: bool = False
    """Whether the patterns were given on the command line rather than in the project file."""
    api_key: str | None = field(default=None, repr=False)
    """The API key in use, None if unknown: manifests must not contain it."""
    environments: tuple[str, ...] = ()
    """Every environment of the project."""


@dataclass(slots=True)
class ManifestSearch:
    """Finds the files of sources. `problems` is filled while `find_files` is iterated."""

    sources: Sources
    problems: list[Violation] = field(default_factory=list)
    _seen: set[FileId | Path | None] = field(default_factory=set)

    def find_files(self) -> Iterator[Path | None]:
        """Paths in the order of the patterns, folders sorted, every real file once; None: stdin."""
        for pattern in self.sources.patterns:
            count, known_problems = 0, len(self.problems)
            for path in [None] if pattern == "-" else self._match_pattern(pattern):
                count += 1
                if self._is_first_visit(path):
                    yield path
                if len(self._seen) > MAX_FILES:
                    self._add_problem(
                        None, NO_MANIFESTS, f"more than {MAX_FILES:,} manifests", "Select fewer."
                    )
                    return
            if not count and len(self.problems) == known_problems:
                self._report_no_match(pattern)

    def shown_path(self, path: Path | None) -> str:
        """How output names a path: relative to the base, with forward slashes."""
        if path is None:
            return STDIN
        name, base = str(path), str(self.sources.base) + os.sep
        if name.startswith(base) and ".." not in path.parts:
            return _is_printable(name.removeprefix(base))
        try:
            name = os.path.relpath(path, self.sources.base)
        except ValueError:  # on another drive
            name = str(path)
        return _is_printable(name)

    def _match_pattern(self, pattern: str) -> Iterator[Path]:
        if "\0" in pattern:
            return
        literal = self.sources.base / pattern
        named = os.path.lexists(literal)
        for path in (
            [literal] if named else sorted(set(_expand_pattern(self.sources.base, pattern)))
        ):
            if _is_folder(path):
                yield from self._list_folder(path)
            elif named or path.name.endswith(SUFFIXES):
                yield path

    def _list_folder(self, folder: Path) -> Iterator[Path]:
        """The manifests in a folder and the folders in it, each real folder once."""

        def failed(path: Path, error: OSError) -> None:
            self._add_problem(
                path,
                "QC001",
                f"the folder cannot be read: {describe_os_error(error)}",
                READABLE_HINT,
            )

        for path, is_folder in _walk_folder(folder, failed):
            if not path.name.endswith(SUFFIXES):
                continue
            if is_folder:
                message = "a folder has the name of a manifest"
                self._add_problem(path, "QC001", message, "Rename it.")
            else:
                yield path

    def _is_first_visit(self, path: Path | None) -> bool:
        try:
            identity = path and _file_id(path)
        except OSError:
            identity = path
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _report_no_match(self, pattern: str) -> None:
        literal = self.sources.base / pattern
        if _is_folder(literal):
            self._add_problem(
                literal,
                NO_MANIFESTS,
                "the folder contains no manifests",
                "Manifests are files named *.yaml, *.yml, *.yaml.j2 or *.yml.j2.",
                Severity.ERROR if self.sources.explicit else Severity.WARNING,
            )
        elif any(char in _MAGIC for char in pattern):
            self._add_problem(
                None, NO_MANIFESTS, f"{pattern} matches no manifests", self._describe_base()
            )
        else:
            self._add_problem(
                None, NO_MANIFESTS, f"{pattern} does not exist", self._describe_base()
            )

    def _describe_base(self) -> str:
        if self.sources.explicit:
            return "-f takes a file, a folder, a glob in quotes, or - for standard input."
        return "Correct it under `spec.manifests` of the project file; it is relative to that file."

    def _add_problem(
        self,
        path: Path | None,
        rule: str,
        message: str,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        if path is None:
            self.problems.append(
                Violation(rule=rule, severity=severity, message=message, hint=hint)
            )
        else:
            page = SourceText(self.shown_path(path), "")
            self.problems.append(page.make_violation(rule, message, hint, severity=severity))


def is_read_by(sources: Sources, folder: Path) -> bool:
    """Whether the sources read manifests in `folder`, also through links."""
    real_folder = os.path.realpath(folder)
    return any(
        Path(real_folder).is_relative_to(os.path.realpath(source_folder))
        for pattern in sources.patterns
        for source_folder in _folders_of_pattern(sources.base, pattern)
    )


def _folders_of_pattern(base: Path, pattern: str) -> Iterator[Path]:
    """The folders that a pattern reads, also those that do not exist yet."""
    if os.path.lexists(base / pattern) or not _MAGIC & set(pattern):
        yield base / pattern
        return
    yield from _expand_pattern(base, pattern)
    if _MAGIC & set(Path(pattern).name):
        yield from _expand_pattern(base, str(Path(pattern).parent))


def _is_printable(name: str) -> str:
    return name.replace(os.sep, "/").encode("utf-8", "replace").decode()


def _expand_pattern(base: Path, pattern: str) -> Iterator[Path]:
    """The paths that a glob matches; hidden names only where its part begins with a dot."""
    parts = Path(pattern).parts
    if anchor := Path(pattern).anchor:
        return _match_parts(Path(anchor), parts[1:], set())
    return _match_parts(base, parts, set())


def _match_parts(
    folder: Path, parts: tuple[str, ...], visited: set[tuple[FileId, int]]
) -> Iterator[Path]:
    """Match `parts` below `folder`. `Path.glob` loops where folders link to each other."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if not any(char in _MAGIC for char in part):
        if os.path.lexists(folder / part):
            yield from _match_parts(folder / part, rest, visited)
        return
    try:
        visit = (_file_id(folder), len(parts))
        children = sorted(folder.iterdir())
    except OSError:
        return
    if visit in visited:
        return
    visited.add(visit)
    if part == "**":
        for path, is_folder in _walk_folder(folder, lambda *_: None):
            if is_folder:
                yield from _match_parts(path, rest, visited)
        return
    for path in children:
        if fnmatchcase(path.name, part) and (part.startswith(".") or not path.name.startswith(".")):
            yield from _match_parts(path, rest, visited)


def _walk_folder(
    folder: Path, failed: Callable[[Path, OSError], None]
) -> Iterator[tuple[Path, bool]]:
    """A folder and everything below it, sorted, without hidden names; each real folder once.

    With each path it is said whether it is a folder.
    """
    visited: set[FileId] = set()
    waiting = [(folder, _is_folder(folder))]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield path, False
            continue
        try:
            file_id = _file_id(path)
            with os.scandir(path) as entries:
                children = sorted(((e.name, _leads_to_folder(e)) for e in entries), reverse=True)
        except OSError as error:
            failed(path, error)
            continue
        if file_id not in visited:
            visited.add(file_id)
            yield path, True
            waiting += [(path / name, inner) for name, inner in children if name[:1] != "."]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is a folder, or a link to one."""
    if entry.is_symlink():
        return _is_folder(Path(entry.path))
    return entry.is_dir()


def _file_id(path: Path) -> FileId:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False
