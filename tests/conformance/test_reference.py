"""`docs/reference/fields.md` is current. `UPDATE_GOLDEN=1` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from tests.conformance.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "fields.md"


def test_the_page_is_current():
    page = reference()
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "UPDATE_GOLDEN=1 pytest tests/conformance writes it anew"
