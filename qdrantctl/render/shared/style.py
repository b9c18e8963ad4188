"""How a document is to look: what every renderer gets beside the value that it renders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """The look of a document. A format ignores what it has no use for."""

    colour: bool = False
    """Whether text is coloured with ANSI codes."""
    max_bytes: int = 65_000
    """Largest size of a markdown document, in bytes of UTF-8."""


PLAIN = Style()
"""No colour, and markdown that fits into a comment on GitHub."""
