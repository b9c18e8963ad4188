"""Violations in the style of compilers: message, place, source line and hint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render.shared.ansi import Paint, choose_painter
from qdrantctl.render.shared.escape import count_noun, escape_line

REPORTED = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
"""The severities that are printed."""
_TAB = "    "


def violations_text(violations: Sequence[Violation], *, colour: bool) -> str:
    """Every violation with its place, and the totals."""
    paint = choose_painter(colour=colour)
    counts = {severity: count(violations, severity) for severity in REPORTED}
    total = ", ".join(count_noun(number, str(word)) for word, number in counts.items() if number)
    return "\n\n".join([*violation_lines(violations, paint), *([total] if total else [])])


def violation_lines(violations: Iterable[Violation], paint: Paint) -> list[str]:
    """Each violation as lines of its own."""
    return ["\n".join(_violation_entry(v, paint)) for v in violations if v.severity in REPORTED]


def _violation_entry(violation: Violation, paint: Paint) -> Iterator[str]:
    tone, origin = str(violation.severity), violation.origin
    number = str(origin.line) if isinstance(origin, Origin) else ""
    gutter = " " * (len(number) or 2)
    title = paint(f"{tone}[{escape_line(violation.rule)}]", tone)
    yield f"{title}: {escape_line(violation.message)}"
    if place := _violation_place(violation):
        yield f"{gutter}{paint('-->', 'faint')} {place}"
    if number and isinstance(violation.snippet, str):
        bar = paint(f"{gutter} |", "faint")
        yield bar
        yield f"{paint(f'{number} |', 'faint')} {_quote_line(violation.snippet)}".rstrip()
        if isinstance(violation.column, int):
            before = _quote_line(violation.snippet[: violation.column - 1])
            yield f"{bar} {' ' * _display_width(before)}{paint('^', tone)}"
    if violation.hint:
        yield f"{gutter} = {escape_line(violation.hint)}"


def _violation_place(violation: Violation) -> str:
    if isinstance(violation.origin, Origin):
        column = f":{violation.column}" if isinstance(violation.column, int) else ""
        return f"{escape_line(str(violation.origin))}{column}"
    return escape_line(violation.address) if isinstance(violation.address, str) else ""


def _quote_line(snippet: str) -> str:
    """A line of a file. Tabs become spaces, so that the caret below is aligned."""
    return escape_line(snippet.replace("\t", _TAB))


def _display_width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def count(violations: Iterable[Violation], severity: Severity) -> int:
    """How many violations have a severity."""
    return sum(violation.severity is severity for violation in violations)
