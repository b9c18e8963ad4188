"""Which files manifests are read from, and their bytes: every file once, none without a bound."""

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
from qdrantctl.model.violation import Severity, Violation

MAX_FILES = 200_000
SUFFIXES = (".yaml", ".yml", ".yaml.j2", ".yml.j2")
NOTHING_THERE = "QC002"
"""The rule of a pattern that leads to no manifests."""
NO_ENVIRONMENT = "-"
"""Stands for the environment where none is chosen."""
STDIN = "<stdin>"
"""The name of standard input in output."""
_MAGIC = frozenset("*?[")

FileId = tuple[int, int]
"""Device and inode: the same for every name of a file."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where manifests are, and what templates may know."""

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
    """The key in use, as far as it is known: it may stand in no manifest."""
    environments: tuple[str, ...] = ()
    """Every environment of the project."""


@dataclass(slots=True)
class ManifestSearch:
    """Finds the files of some sources. `problems` fills while `files` is walked through."""

    sources: Sources
    problems: list[Violation] = field(default_factory=list)
    _seen: set[FileId | Path | None] = field(default_factory=set)

    def find_files(self) -> Iterator[Path | None]:
        """Paths in the order of the patterns, folders sorted, every real file once; None: stdin."""
        for pattern in self.sources.patterns:
            count, told = 0, len(self.problems)
            for path in [None] if pattern == "-" else self._match_pattern(pattern):
                count += 1
                if self._is_first_visit(path):
                    yield path
                if len(self._seen) > MAX_FILES:
                    self._add_problem(
                        None, NOTHING_THERE, f"more than {MAX_FILES:,} manifests", "Name less."
                    )
                    return
            if not count and len(self.problems) == told:
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

        for path in _walk_folder(folder, failed):
            if not path.name.endswith(SUFFIXES):
                continue
            if _is_folder(path):
                message = "a folder stands where a manifest should be"
                self._add_problem(path, "QC001", message, "Rename it.")
            else:
                yield path

    def _is_first_visit(self, path: Path | None) -> bool:
        try:
            mark = path and _file_id(path)
        except OSError:
            mark = path
        if mark in self._seen:
            return False
        self._seen.add(mark)
        return True

    def _report_no_match(self, pattern: str) -> None:
        literal = self.sources.base / pattern
        if _is_folder(literal):
            self._add_problem(
                literal,
                NOTHING_THERE,
                "the folder holds no manifests",
                "Manifests are files named *.yaml, *.yml, *.yaml.j2 or *.yml.j2.",
                Severity.ERROR if self.sources.explicit else Severity.WARNING,
            )
        elif any(char in _MAGIC for char in pattern):
            self._add_problem(
                None, NOTHING_THERE, f"{pattern} matches no manifests", self._describe_base()
            )
        else:
            self._add_problem(
                None, NOTHING_THERE, f"{pattern} does not exist", self._describe_base()
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
    """Whether manifests that are put into a folder are among the sources, by whatever path."""
    there = os.path.realpath(folder)
    return any(
        Path(there).is_relative_to(os.path.realpath(above))
        for pattern in sources.patterns
        for above in _folders_of_pattern(sources.base, pattern)
    )


def _folders_of_pattern(base: Path, pattern: str) -> Iterator[Path]:
    """The folders that a pattern reads, were they not made yet."""
    if os.path.lexists(base / pattern) or not _MAGIC & set(pattern):
        yield base / pattern
        return
    yield from _expand_pattern(base, pattern)
    if _MAGIC & set(Path(pattern).name):
        yield from _expand_pattern(base, str(Path(pattern).parent))


def _is_printable(name: str) -> str:
    return name.replace(os.sep, "/").encode("utf-8", "replace").decode()


def _expand_pattern(base: Path, pattern: str) -> Iterator[Path]:
    """What a glob matches; hidden names only where the pattern itself begins with a dot."""
    words = Path(pattern).parts
    if anchor := Path(pattern).anchor:
        return _match_parts(Path(anchor), words[1:], set())
    return _match_parts(base, words, set())


def _match_parts(
    folder: Path, words: tuple[str, ...], seen: set[tuple[FileId, int]]
) -> Iterator[Path]:
    """Own matching, because the library's walks in circles where folders link to each other."""
    if not words:
        yield folder
        return
    word, rest = words[0], words[1:]
    if not any(char in _MAGIC for char in word):
        if os.path.lexists(folder / word):
            yield from _match_parts(folder / word, rest, seen)
        return
    try:
        here = (_file_id(folder), len(words))
        inner = sorted(folder.iterdir())
    except OSError:
        return
    if here in seen:
        return
    seen.add(here)
    if word == "**":
        for path in _walk_folder(folder, lambda *_: None):
            if _is_folder(path):
                yield from _match_parts(path, rest, seen)
        return
    for path in inner:
        if fnmatchcase(path.name, word) and (word.startswith(".") or not path.name.startswith(".")):
            yield from _match_parts(path, rest, seen)


def _walk_folder(folder: Path, failed: Callable[[Path, OSError], None]) -> Iterator[Path]:
    """A folder and everything below it, sorted, without hidden names; each real folder once."""
    seen: set[FileId] = set()
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if not _is_folder(path):
            yield path
            continue
        try:
            here = _file_id(path)
            inner = sorted(path.iterdir(), key=_file_name, reverse=True)
        except OSError as error:
            failed(path, error)
            continue
        if here not in seen:
            seen.add(here)
            yield path
            waiting += [inside for inside in inner if not inside.name.startswith(".")]


def _file_name(path: Path) -> str:
    return path.name


def _file_id(path: Path) -> FileId:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False
