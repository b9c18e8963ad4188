"""The look of a document. Every renderer gets it with the value that it renders."""

from __future__ import annotations

from qdrantctl.model.frozen import frozen


@frozen
class Style:
    """The look of a document. A format ignores the fields that it does not support."""

    colour: bool = False
    """Whether text is coloured with ANSI codes."""
    max_bytes: int = 65_000
    """Largest size of a markdown document, in bytes of UTF-8."""
    width: int | None = None
    """Columns of the terminal; None for output that is no terminal: no line is broken then."""
    summary: bool = False
    """Whether text shows each change of a plan in one line."""
    details_url: str = ""
    """Where a markdown document that was cut is found whole."""


PLAIN = Style()
"""No colour; markdown fits into a comment on GitHub."""
