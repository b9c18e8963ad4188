"""The text of one file, as read or as rendered by a template, with quotes of its lines."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity, Violation

Position = tuple[int, int]
"""Line and column, both from 1; column 0 if only the line is known."""

BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""A line end for the YAML parser."""
_LONGEST_SNIPPET = 300
_LONGEST_MESSAGE = 1000


@frozen
class TemplateTrace:
    """The template that rendered a text."""

    template: str
    """The template's own text."""
    lines: Sequence[int]
    """For each line of the text the template's line that rendered it; empty if unknown."""
    alike: Sequence[int]
    """For each line, the number of characters that both lines begin with."""
    command: str
    """A command that prints the text with line numbers."""


@frozen
class SourceText:
    """The text of one file under the name that output shows."""

    file: str
    text: str
    template_trace: TemplateTrace | None = None
    """Set if a template rendered the text, so that its lines are not those of the file."""

    def get_line(self, number: int) -> str | None:
        """The line `number` (from 1) without its end, cut when very long; None past the end."""
        return _line_at(self.text, number)

    def position_at(self, index: int) -> Position:
        """Line and column of the character at `index`."""
        line, start = 1, 0
        for line_break in BREAK.finditer(self.text, 0, index):
            line, start = line + 1, line_break.end()
        return line, index - start + 1

    def position_in_file(self, place: Position) -> Position | None:
        """The position in the file for `place` in the text; None if unknown.

        The column is kept if the template's line begins like the line that it rendered.
        """
        if self.template_trace is None:
            return place
        number, column = place
        if not self.template_trace.lines:
            return None
        index = min(number, len(self.template_trace.lines)) - 1
        return self.template_trace.lines[index], column if column <= self.template_trace.alike[
            index
        ] + 1 else 0

    def describe_line(self, number: int) -> str:
        """`line 7`, or `line 7 of the rendered text`."""
        if position := self.position_in_file((number, 1)):
            return f"line {position[0]}"
        return f"line {number} of the rendered text"

    def make_violation(
        self,
        rule: str,
        message: str,
        hint: str = "",
        place: Position | None = None,
        *,
        severity: Severity = Severity.ERROR,
        address: str = "",
    ) -> Violation:
        """A violation at `place` with its line quoted; without a place, for the whole file."""
        position = self.position_in_file(place) if place else None
        if place and self.template_trace:
            hint = (
                f"{hint} {self._describe_rendering(self.template_trace, place, position)}".strip()
            )
        line, column = position or (1, 0)
        text = self.template_trace.template if self.template_trace else self.text
        snippet = _line_at(text, line) if position else None
        return Violation(
            rule=rule,
            severity=severity,
            address=_make_printable(address) if address else ABSENT,
            message=_make_printable(message),
            hint=_make_printable(hint),
            origin=Origin(file=self.file, line=line),
            column=column or ABSENT,
            snippet=ABSENT if snippet is None else _make_printable(snippet),
        )

    def _describe_rendering(
        self, trace: TemplateTrace, place: Position, position: Position | None
    ) -> str:
        """The rendered text at `place` and how to print it; empty if it equals the template's."""
        written = self.get_line(place[0]) or ""
        if position and position[1] and written == _line_at(trace.template, position[0]):
            return ""
        shown = written.strip()
        return f"After the template it is `{shown}`, line {place[0]} of `{trace.command}`."


def split_lines(text: str) -> Iterator[str]:
    """The lines of a text without their ends, one at a time."""
    start = 0
    for line_break in BREAK.finditer(text):
        yield text[start : line_break.start()]
        start = line_break.end()
    yield text[start:]


def _line_at(text: str, number: int) -> str | None:
    starts = _find_line_starts(text)
    if number > len(starts):
        return None
    start = starts[number - 1]
    end = BREAK.search(text, start)
    line = text[start : end.start() if end else len(text)]
    return line if len(line) <= _LONGEST_SNIPPET else line[:_LONGEST_SNIPPET] + "…"


@lru_cache(maxsize=4)
def _find_line_starts(text: str) -> Sequence[int]:
    """Where each line begins. Cached, since a text with errors needs many of its lines."""
    return array("I", chain([0], (line_break.end() for line_break in BREAK.finditer(text))))


def _make_printable(text: str) -> str:
    """`text` in a form for terminals and JSON: no lone surrogates, limited length."""
    text = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
    return text.encode("utf-8", "replace").decode()
