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


PLAIN = Style()
"""No colour; markdown fits into a comment on GitHub."""
