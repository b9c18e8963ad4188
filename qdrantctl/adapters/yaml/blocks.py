"""Reads many files that have parts in common: each part is parsed once.

A part is a key in the first column with everything up to the next one. Such a part means the same
in every file that has it, unless a quote, a bracket, an anchor or the end of a document reaches
beyond it. The parser decides that: it has to find exactly the expected keys, each where its part
begins. Everything else, and every file with a problem, is read as a whole.

The part `metadata` of most files differs from that of another one by the name only. A name that is
a plain word, and the last one on its line, can be replaced by another such word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.adapters.yaml.positions import (
    NodePosition,
    NodePositions,
    YamlDocument,
    move_position,
    unpack_position,
)
from qdrantctl.adapters.yaml.scalars import parse_plain_scalar
from qdrantctl.model.field_rule import Json
from qdrantctl.model.violation import Violation

_LONGEST_TEXT = 100_000
"""Characters. A longer text is read as a whole, since it may exceed the bounds of one file."""
_FIRST_COLUMN_KEY = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*):(?=[ \r\n]|\Z)", re.MULTILINE)
_COMMENTS = re.compile(r"(?: *(?:#[^\n]*)?\n)*")
"""What may come before the first key."""
_REACHES_BEYOND = re.compile(r"[&*\x85\u2028\u2029]|\r(?!\n)|^(?:---|\.\.\.|%)", re.MULTILINE)
"""Anchors and aliases, the marks of documents, and the line ends that are not counted here."""
_NAME = re.compile(r"(?<=[ {]name: )[A-Za-z][A-Za-z0-9_-]*(?=[ }]*\r?$)", re.MULTILINE)
_ANY_NAME = "\0"
"""Stands for the name in the text of a part; no YAML contains it."""


class _Part(NamedTuple):
    """A key with its value, and the positions in it from its first line on."""

    key: str
    value: Json
    inner: int
    below: NodePositions | None
    lines: int


class _PartText(NamedTuple):
    """The text of a part, and the name that was taken out of it; empty for none."""

    text: str
    name: str = ""
    start: int = 0
    """Where the name was."""

    def with_name(self) -> _PartText:
        """The text as it is in the file."""
        before, after = self.text[: self.start], self.text[self.start + 1 :]
        return _PartText(f"{before}{self.name}{after}") if self.name else self


@dataclass(slots=True)
class BlockReader:
    """Reads files, and remembers their parts.

    Files with an equal part share its value, so callers must not change a value.
    """

    known: dict[str, _Part] = field(default_factory=dict)

    def read_file(self, page: SourceText) -> tuple[list[YamlDocument], list[Violation]]:
        """The same as `read_documents`."""
        document = self._read_parts(page.text)
        return ([document], []) if document else read_documents(page)

    def _read_parts(self, text: str) -> YamlDocument | None:
        """The document of a text, or None for one that has to be read as a whole."""
        starts = [match.start() for match in _FIRST_COLUMN_KEY.finditer(text)]
        if not starts or len(text) > _LONGEST_TEXT or _REACHES_BEYOND.search(text):
            return None
        before = text[: starts[0]]
        if before and not _COMMENTS.fullmatch(before):
            return None
        texts = [_take_name(text[start:end]) for start, end in pairwise((*starts, len(text)))]
        parts = [self._find_part(part) for part in texts]
        if None in parts:
            if not self._learn_parts([t for t, part in zip(texts, parts, strict=True) if not part]):
                return None
            parts = [self._find_part(part) for part in texts]
        line = before.count("\n")
        value: dict[str, Json] = {}
        marks: NodePositions = {}
        for part in parts:
            assert part
            value[part.key] = part.value
            start, inner = move_position(0, line), move_position(part.inner, line)
            marks[part.key] = NodePosition(start, inner, part.below, line)
            line += part.lines
        return (
            YamlDocument(value, before.count("\n") + 1, marks) if len(value) == len(parts) else None
        )

    def _find_part(self, wanted: _PartText) -> _Part | None:
        """The part with this text, if it is known."""
        part = self.known.get(wanted.text)
        if not wanted.name:
            return part
        if part:
            return part._replace(value={**part.value, "name": wanted.name})
        return self.known.get(wanted.with_name().text)

    def _learn_parts(self, wanted: Sequence[_PartText]) -> bool:
        """Parse texts, all of them at once. Whether the parser agrees that they are parts."""
        texts = [part.with_name().text for part in wanted]
        documents, problems = read_documents(SourceText("", "".join(texts)))
        if problems or len(documents) != 1:
            return False
        value, marks = documents[0].value, documents[0].marks or {}
        if len(marks) != len(texts):
            return False
        learned: dict[str, _Part] = {}
        line = 0
        for part, text, (key, place) in zip(wanted, texts, marks.items(), strict=True):
            if not text.startswith(f"{key}:") or place.start != move_position(0, line):
                return False
            below, inner = _move_up(place.below, line), move_position(place.inner, -line)
            learned[text] = _Part(str(key), value[key], inner, below, text.count("\n"))
            if part.name and _is_name(part, learned[text]):
                learned[part.text] = learned[text]
            line += learned[text].lines
        self.known |= learned
        return True


def _take_name(text: str) -> _PartText:
    """The text of a part without the name in it."""
    if not text.startswith("metadata:") or not (found := _NAME.search(text)):
        return _PartText(text)
    name, (start, end) = found[0], found.span()
    if parse_plain_scalar(name) != name:  # true, null
        return _PartText(text)
    return _PartText(f"{text[:start]}{_ANY_NAME}{text[end:]}", name, start)


def _is_name(text: _PartText, part: _Part) -> bool:
    """Whether the word that was taken out of a text is the member `name` of its value."""
    place = (part.below or {}).get("name")
    if place is None or part.value["name"] != text.name:
        return False
    before = text.text[: text.start]
    position = before.count("\n") + 1, text.start - before.rfind("\n")
    return unpack_position(place.inner) == position


def _move_up(marks: NodePositions | None, lines: int) -> NodePositions | None:
    """Positions, that many lines further up."""
    if not marks or not lines:
        return marks
    return {
        step: NodePosition(
            move_position(place.start, -lines),
            move_position(place.inner, -lines),
            _move_up(place.below, lines),
        )
        for step, place in marks.items()
    }
