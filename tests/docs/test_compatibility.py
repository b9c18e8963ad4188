"""The table of tested versions: made from results of pytest, other versions kept."""

from __future__ import annotations

from pathlib import Path

from tools.compatibility import count_results, make_page

RESULTS = """<testsuites><testsuite>
<testcase classname="tests.e2e.audit.test_prove.TestA" name="test_one"/>
<testcase classname="tests.e2e.audit.test_prove" name="test_two"><failure message="x"/></testcase>
<testcase classname="tests.cluster.test_x" name="test_three"><error message="x"/></testcase>
<testcase classname="tests.cluster.test_x" name="test_four">
<skipped type="pytest.skip" message="since Qdrant 1.18.0: a|b"/></testcase>
</testsuite></testsuites>"""


def test_results_are_counted_by_folder_and_a_later_run_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "1.xml", tmp_path / "2.xml"
    first.write_text(RESULTS)
    second.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.cluster.test_x" name="test_three"/>'
        "</testsuite></testsuites>"
    )
    assert count_results([first, second]) == {
        "folders": {
            "cluster": {"passed": 1, "failed": 0, "skipped": 1},
            "e2e": {"passed": 1, "failed": 1, "skipped": 0},
        },
        "failed": ["tests.e2e.audit.test_prove::test_two"],
        "skipped": {"since Qdrant 1.18.0: a|b": 1},
    }


def test_versions_are_in_order_with_their_failures_and_skips(tmp_path: Path) -> None:
    results = tmp_path / "1.xml"
    results.write_text(RESULTS)
    entry = {"date": "2026-11-30", **count_results([results])}
    page = make_page({"1.19.0": entry, "1.9.1": entry})
    rows = [line for line in page.splitlines() if line.startswith("| 1.")]
    assert rows == [f"| {version} | 2026-11-30 | 1 | 2 | 1 |" for version in ("1.9.1", "1.19.0")]
    assert "| since Qdrant 1.18.0: a/b | 1 |" in page
    assert "- `tests.e2e.audit.test_prove::test_two`" in page
