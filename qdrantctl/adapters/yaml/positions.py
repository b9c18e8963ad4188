"""The positions of a YAML document's values, each packed into one number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from qdrantctl.adapters.files.source_text import Position
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.spec import Path

_COLUMN_BITS = 24


class NodePosition(NamedTuple):
    """The position of an entry of a mapping or a list, and the positions below it.

    A position is one number, since 10,000 manifests have half a million of them.
    """

    start: int
    inner: int
    """The same as `start` in a list."""
    below: NodePositions | None
    lines_before: int = 0
    """Lines to be added to each position below it: documents share what they have in common."""


NodePositions = dict[str | int, NodePosition]


@frozen
class YamlDocument:
    """One YAML document: a plain value, and the position of each part of it."""

    value: Json
    line: int
    """Where it begins, from 1."""
    marks: NodePositions | None

    def position_of(self, path: Path, *, key: bool = False) -> Position:
        """The position of the value at `path` (or its key), or of its nearest parent."""
        result: Position = (self.line, 1)
        marks, added = self.marks, 0
        for position, step in enumerate(path, 1):
            entry = marks.get(step) if marks else None
            if entry is None:
                break
            packed = entry.start if key or position < len(path) else entry.inner
            line, column = unpack_position(packed)
            result = line + added, column
            marks, added = entry.below, added + entry.lines_before
        return result

    def lines_with_keys(self) -> Iterator[int]:
        """The line of each entry of a mapping or a list."""
        return _list_lines(self.marks, 0)


def _list_lines(marks: NodePositions | None, added: int) -> Iterator[int]:
    for entry in (marks or {}).values():
        yield unpack_position(entry.start)[0] + added
        yield from _list_lines(entry.below, added + entry.lines_before)


def pack_position(mark: Any) -> int:
    """Line and column of a parser's mark, both from 0, as one number."""
    packed: int = mark.line << _COLUMN_BITS | mark.column
    return packed


def unpack_position(packed: int) -> Position:
    """Line and column, both from 1."""
    line, column = divmod(packed, 1 << _COLUMN_BITS)
    return line + 1, column + 1


def move_position(packed: int, lines: int) -> int:
    """The same position that many lines further down."""
    return packed + (lines << _COLUMN_BITS)
