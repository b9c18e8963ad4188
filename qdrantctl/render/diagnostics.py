"""Broken rules the way compilers tell them: what, where, the line itself, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render.shared.ansi import Paint, painter
from qdrantctl.render.shared.escape import clean, counted

REPORTED = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
"""The severities that are printed."""
_TAB = "    "


def text(violations: Sequence[Violation], *, colour: bool) -> str:
    """Every violation with its place, and how many there are."""
    paint = painter(colour=colour)
    counts = {severity: count(violations, severity) for severity in REPORTED}
    total = ", ".join(counted(number, str(word)) for word, number in counts.items() if number)
    return "\n\n".join([*entries(violations, paint), *([total] if total else [])])


def entries(violations: Iterable[Violation], paint: Paint) -> list[str]:
    """Each violation as lines of its own."""
    return ["\n".join(_entry(v, paint)) for v in violations if v.severity in REPORTED]


def _entry(violation: Violation, paint: Paint) -> Iterator[str]:
    tone, origin = str(violation.severity), violation.origin
    number = str(origin.line) if isinstance(origin, Origin) else ""
    gutter = " " * (len(number) or 2)
    title = paint(f"{tone}[{clean(violation.rule)}]", tone)
    yield f"{title}: {clean(violation.message)}"
    if where := _place(violation):
        yield f"{gutter}{paint('-->', 'faint')} {where}"
    if number and isinstance(violation.snippet, str):
        bar = paint(f"{gutter} |", "faint")
        yield bar
        yield f"{paint(f'{number} |', 'faint')} {_quoted(violation.snippet)}".rstrip()
        if isinstance(violation.column, int):
            before = _quoted(violation.snippet[: violation.column - 1])
            yield f"{bar} {' ' * _width(before)}{paint('^', tone)}"
    if violation.hint:
        yield f"{gutter} = {clean(violation.hint)}"


def _place(violation: Violation) -> str:
    if isinstance(violation.origin, Origin):
        column = f":{violation.column}" if isinstance(violation.column, int) else ""
        return f"{clean(str(violation.origin))}{column}"
    return clean(violation.address) if isinstance(violation.address, str) else ""


def _quoted(snippet: str) -> str:
    """A line of a file. Tabs become spaces, so that the caret below stands where it should."""
    return clean(snippet.replace("\t", _TAB))


def _width(shown: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in shown
    )


def count(violations: Iterable[Violation], severity: Severity) -> int:
    """How many violations have a severity."""
    return sum(violation.severity is severity for violation in violations)
