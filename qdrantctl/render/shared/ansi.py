"""Colour: a function that paints a text in a tone, or leaves every text as it is."""

from __future__ import annotations

from collections.abc import Callable

Paint = Callable[[str, str], str]
"""text, tone -> text. Tones are the signs of a plan, severities, `strong` and `faint`."""

_CODES = {
    "+": "32",
    "~": "33",
    "-": "31",
    "-/+": "31",
    ">": "36",
    ".": "2",
    "*": "36",
    "!": "1;31",
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "strong": "1",
    "faint": "2",
}


def paint_plain(text: str, tone: str) -> str:  # noqa: ARG001
    """No colour."""
    return text


def paint_ansi(text: str, tone: str) -> str:
    """ANSI colour."""
    code = _CODES.get(tone)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text


def choose_painter(*, colour: bool) -> Paint:
    """`paint_ansi` or `paint_plain`."""
    return paint_ansi if colour else paint_plain
