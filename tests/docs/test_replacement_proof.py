"""The table of the proofs of replacements: made from results of pytest."""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tools.replacement_proof import RESULTS, collect_rows, make_page


def row(scenario: str, **changed: object) -> dict[str, object]:
    counts = dict.fromkeys(RESULTS, 0) | {"scenario": scenario, "operations": 12345}
    return {**counts, "kinds": {"upsert": 7}, "killed_in": {"fill": 2, "sweep": 0}, **changed}


def case(name: str, value: dict[str, object] | None, result: str = "") -> str:
    told = quoteattr(json.dumps(value))
    inner = f'<properties><property name="proof" value={told}/></properties>' if value else ""
    return f'<testcase classname="tests.replacement" name="{name}">{inner}{result}</testcase>'


def test_rows_of_proofs_become_a_page(tmp_path: Path) -> None:
    first, second = tmp_path / "1.xml", tmp_path / "2.xml"
    failed = '<failure message="x"/>'
    cases = [case("one", row("one node", lost=1), failed), case("two", None, failed)]
    first.write_text(f"<testsuite>{''.join(cases)}</testsuite>")
    second.write_text(f"<testsuite>{case('one', row('one node', kills=3))}</testsuite>")
    entry = collect_rows([first, second])
    assert [(each["lost"], each["kills"]) for each in entry["rows"]] == [(0, 3)]
    assert entry["failed"] == ["tests.replacement::two"]
    page = make_page({"1.16.3": {"date": "2026-11-30", **entry}})
    assert "| one node | 0 | 0 | 0 | 0 | 12,345 | 0 | 3 |" in page
    assert "| one node | 2 | 0 |" in page
    assert "- `tests.replacement::two`" in page
