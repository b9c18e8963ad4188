"""A page: the text of one file, as it was read or as a template rendered it. Quotes its lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from qdrantctl.model.resource import Origin
from qdrantctl.model.rule import ABSENT
from qdrantctl.model.violation import Severity, Violation

Place = tuple[int, int]
"""Line and column, both from 1."""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What the YAML parser counts as the end of a line."""
_LONGEST_SNIPPET = 300
_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one file under the name that output shows."""

    file: str
    text: str
    rendered: bool = False
    """Whether a template made it, so that its lines are not those of the file."""

    def line(self, number: int) -> str | None:
        """The line `number` (from 1) without its end, cut when very long; None past the end."""
        start = 0
        for _ in range(number - 1):
            if not (found := _BREAK.search(self.text, start)):
                return None
            start = found.end()
        end = _BREAK.search(self.text, start)
        line = self.text[start : end.start() if end else len(self.text)]
        return line if len(line) <= _LONGEST_SNIPPET else line[:_LONGEST_SNIPPET] + "…"

    def place(self, index: int) -> Place:
        """Line and column of the character at `index`."""
        line, start = 1, 0
        for found in _BREAK.finditer(self.text, 0, index):
            line, start = line + 1, found.end()
        return line, index - start + 1

    def violation(
        self,
        rule: str,
        message: str,
        hint: str = "",
        place: Place | None = None,
        *,
        severity: Severity = Severity.ERROR,
        address: str = "",
    ) -> Violation:
        """A broken rule at `place`, its line quoted; without a place, about the file as a whole."""
        line, column = place or (1, 0)
        if place and self.rendered:
            message += f" (line {line} of the rendered text)"
            hint = f"{hint} `qdrantctl render` shows the text after templates.".strip()
        snippet = self.line(line) if place else None
        return Violation(
            rule=rule,
            severity=severity,
            address=_plain(address) if address else ABSENT,
            message=_plain(message),
            hint=_plain(hint),
            origin=Origin(file=self.file, line=line),
            column=column or ABSENT,
            snippet=ABSENT if snippet is None else _plain(snippet),
        )


def _plain(text: str) -> str:
    """`text` as it can be printed and written as JSON: no lone surrogates, no endless values."""
    text = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
    return text.encode("utf-8", "replace").decode()
