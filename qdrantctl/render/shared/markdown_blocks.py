"""Markdown whose contents cannot escape it, and the choice of blocks that fit a size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qdrantctl.render.shared.escape import count_noun, escape_line
from qdrantctl.render.shared.style import Style

_PIPE = "\\|"
"""A pipe inside a cell of a table, where it would end the cell even in a code span."""


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
    number: int = 1
    """How many of them it has."""


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


def folded_block(title: str, lines: Iterable[str], language: str = "text") -> str:
    """Lines behind a title that opens them."""
    inner = code_fence(lines, language)
    return f"<details><summary>{title}</summary>\n\n{inner}\n\n</details>"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first two columns are text, the others numbers. Cells hold code spans only."""
    bars = ["---" if number < 2 else "---:" for number in range(len(titles))]
    lines = (titles, bars, *rows)
    return "\n".join(
        f"| {' | '.join(cell.replace('|', _PIPE) for cell in line)} |" for line in lines
    )


def fit_blocks(
    marker: str, title: str, blocks: Sequence[MarkdownBlock], style: Style, command: str = "plan"
) -> str:
    """Marker, title and as many blocks as fit; the last line counts missing blocks."""
    max_bytes, where = style.max_bytes, _name_whole(command, style.details_url)
    whole = _join_parts([marker, title, *(block.full for block in blocks)])
    if _byte_size(whole) <= max_bytes:
        return whole
    totals = _count_parts(blocks)
    most = _cut_notice(totals["change"], totals["message"], totals["change"], max_bytes, where)
    budget = max_bytes - _byte_size(_join_parts([marker, title, most]))
    if budget < 0:
        return _smallest_text(
            marker, title, f"{count_noun(totals['change'], 'change')} cut.", max_bytes
        )
    texts = _choose_blocks(blocks, budget)
    pairs = list(zip(blocks, texts, strict=True))
    cut = _count_parts(block for block, text in pairs if not text)
    brief = _count_parts(block for block, text in pairs if text not in ("", block.full))["change"]
    tail = _cut_notice(cut["change"], cut["message"], brief, max_bytes, where)
    return _join_parts([marker, title, *filter(None, texts), tail])


def _count_parts(blocks: Iterable[MarkdownBlock]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for block in blocks:
        counts[block.counted_as] += block.number
    return counts


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


def _name_whole(command: str, details_url: str) -> str:
    """Where the reader finds the whole document."""
    shows = f"`qdrantctl {command}` shows all."
    if not details_url:
        return shows
    is_link = re.fullmatch(r"https?://[^\s<>`]+", details_url) and details_url.isprintable()
    return f"{shows} It is kept at {f'<{details_url}>' if is_link else code_span(details_url)}."


def _cut_notice(changes: int, messages: int, brief: int, max_bytes: int, where: str) -> str:
    """Counts of omitted parts. Larger numbers never make it shorter."""
    counts = (
        (changes, "change", "not shown"),
        (brief, "change", "shown without fields"),
        (messages, "message", "not shown"),
    )
    parts = [f"{count_noun(number, word)} {how}" for number, word, how in counts if number]
    summary = ", ".join(parts) or "lists not shown"
    return f"_Cut to {max_bytes} bytes: {summary}. {where}_"


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
