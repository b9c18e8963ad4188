"""A page: the text of one file, as it was read or as a template made it. Quotes its lines."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity, Violation

Position = tuple[int, int]
"""Line and column, both from 1; column 0 where only the line is known."""

BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What the YAML parser counts as the end of a line."""
_LONGEST_SNIPPET = 300
_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class TemplateTrace:
    """How a template made a page."""

    template: str
    """The template's own text."""
    lines: Sequence[int]
    """For each line of the page the template's line that wrote it; empty where nobody can know."""
    alike: Sequence[int]
    """With how many of the same characters the two begin."""
    command: str
    """Shows the page with its lines numbered."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of one file under the name that output shows."""

    file: str
    text: str
    template_trace: TemplateTrace | None = None
    """Set when a template made the text, so that its lines are not those of the file."""

    def get_line(self, number: int) -> str | None:
        """The line `number` (from 1) without its end, cut when very long; None past the end."""
        return _line_at(self.text, number)

    def position_at(self, index: int) -> Position:
        """Line and column of the character at `index`."""
        line, start = 1, 0
        for found in BREAK.finditer(self.text, 0, index):
            line, start = line + 1, found.end()
        return line, index - start + 1

    def position_in_file(self, place: Position) -> Position | None:
        """Where in the file stands what is at `place` of the text; None where nobody can know.

        The column is kept where the template's line begins like the line that it wrote.
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
        """`line 7`, or whose line 7 it is."""
        if found := self.position_in_file((number, 1)):
            return f"line {found[0]}"
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
        """A broken rule at `place`, its line quoted; without a place, about the file as a whole."""
        found = self.position_in_file(place) if place else None
        if place and self.template_trace:
            hint = f"{hint} {self._describe_rendering(self.template_trace, place, found)}".strip()
        line, column = found or (1, 0)
        text = self.template_trace.template if self.template_trace else self.text
        snippet = _line_at(text, line) if found else None
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
        self, made: TemplateTrace, place: Position, found: Position | None
    ) -> str:
        """What the template wrote at `place`, and how to see it; empty where it wrote itself."""
        written = self.get_line(place[0]) or ""
        if found and found[1] and written == _line_at(made.template, found[0]):
            return ""
        shown = written.strip()
        return f"After the template it is `{shown}`, line {place[0]} of `{made.command}`."


def split_lines(text: str) -> Iterator[str]:
    """The lines of a text without their ends, one at a time."""
    start = 0
    for found in BREAK.finditer(text):
        yield text[start : found.start()]
        start = found.end()
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
    """Where each line begins; a page with errors is asked for many of its lines."""
    return array("I", chain([0], (found.end() for found in BREAK.finditer(text))))


def _make_printable(text: str) -> str:
    """`text` as it can be printed and written as JSON: no lone surrogates, no endless values."""
    text = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
    return text.encode("utf-8", "replace").decode()
