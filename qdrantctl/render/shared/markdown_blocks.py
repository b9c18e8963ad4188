"""Markdown whose contents cannot escape it, and the choice of blocks that fit a size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qdrantctl.render.shared.escape import count_noun, escape_line


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A part of a document that is shown whole, in short, or not at all; never cut inside."""

    rank: int
    """The lowest are the last to be cut."""
    full: str
    short: str = ""
    """A replacement that is used if the full text does not fit."""
    counted_as: str = ""
    """What the reader misses without it: `change` or `message`; empty if it is not counted."""


def code_span(text: str) -> str:
    """`text` as a code span, in which HTML, mentions and links have no effect."""
    text = escape_line(text)
    ticks = "`" * (_longest_run(text) + 1)
    space = " " if "`" in text or text[:1] == " " or text[-1:] == " " else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def code_fence(lines: Iterable[str], language: str) -> str:
    """Lines as a fenced block, its fence longer than any run of backticks inside."""
    body = "\n".join(lines)
    ticks = "`" * max(3, _longest_run(body) + 1)
    return f"{ticks}{language}\n{body}\n{ticks}"


def folded_block(title: str, lines: Iterable[str]) -> str:
    """Lines behind a title that opens them."""
    inner = code_fence(lines, "text")
    return f"<details><summary>{title}</summary>\n\n{inner}\n\n</details>"


def fit_blocks(
    marker: str, title: str, blocks: Sequence[MarkdownBlock], max_bytes: int, command: str = "plan"
) -> str:
    """Marker, title and as many blocks as fit; the last line counts missing blocks."""
    whole = _join_parts([marker, title, *(block.full for block in blocks)])
    if _byte_size(whole) <= max_bytes:
        return whole
    totals = Counter(block.counted_as for block in blocks)
    most = _cut_notice(totals["change"], totals["message"], totals["change"], max_bytes, command)
    budget = max_bytes - _byte_size(_join_parts([marker, title, most]))
    if budget < 0:
        return _smallest_text(
            marker, title, f"{count_noun(totals['change'], 'change')} cut.", max_bytes
        )
    texts = _choose_blocks(blocks, budget)
    pairs = list(zip(blocks, texts, strict=True))
    cut = Counter(block.counted_as for block, text in pairs if not text)
    brief = sum(
        block.counted_as == "change" and text not in ("", block.full) for block, text in pairs
    )
    tail = _cut_notice(cut["change"], cut["message"], brief, max_bytes, command)
    return _join_parts([marker, title, *filter(None, texts), tail])


def _choose_blocks(blocks: Sequence[MarkdownBlock], budget: int) -> list[str]:
    """All of a block, its short form or nothing, for each; the lowest ranks come first."""
    texts = [""] * len(blocks)
    for number in sorted(range(len(blocks)), key=lambda number: blocks[number].rank):
        for text in (blocks[number].full, blocks[number].short):
            cost = _byte_size(text) + 2  # a blank line between blocks
            if text and cost <= budget:
                texts[number] = text
                budget -= cost
                break
    return texts


def _cut_notice(changes: int, messages: int, brief: int, max_bytes: int, command: str) -> str:
    """Counts of omitted parts. Larger numbers never make it shorter."""
    counts = (
        (changes, "change", "not shown"),
        (brief, "change", "shown without fields"),
        (messages, "message", "not shown"),
    )
    parts = [f"{count_noun(number, word)} {how}" for number, word, how in counts if number]
    summary = ", ".join(parts) or "lists not shown"
    return f"_Cut to {max_bytes} bytes: {summary}. `qdrantctl {command}` shows all._"


def _smallest_text(marker: str, title: str, cut: str, max_bytes: int) -> str:
    """The document for a limit that leaves space for little more than the marker."""
    with_title = f"{marker}\n{title}\n\n{cut}\n"
    return with_title if _byte_size(with_title) <= max_bytes else f"{marker}\n{cut}\n"


def _join_parts(parts: Sequence[str]) -> str:
    marker, *rest = parts
    return f"{marker}\n" + "\n\n".join(rest) + "\n"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _byte_size(text: str) -> int:
    return len(text.encode())
