"""The words that docs/STYLE.md rejects are in no page for users."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("guides/*.md")), *sorted(DOCS.glob("concepts/*.md"))]
REJECTED = (
    "nobody", "somebody", "whoever", "whatever is", "what is there", "the way back", "by hand",
    "by itself", "worlds", "half done", "half way", "anew", "puts back", "put back", "takes over",
    "is told", "tells", "stands in", "stands on", "nothing was done", "not current", "not taken",
    "to be had", "strangers", "is laid", "lies", "wish",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_page_uses_the_words_of_the_field(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    text = " ".join(text.lower().split())
    found = [words for words in REJECTED if re.search(rf"\b{words}\b", text)]
    assert not found
