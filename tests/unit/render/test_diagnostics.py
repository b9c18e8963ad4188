from __future__ import annotations

import json

import pytest

from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render import diagnostics as violations
from qdrantctl.render import json as as_json
from tests.support.plans import at


def made(**more):
    return Violation(**{"rule": "QC043", "message": "must be at least 4", **more})


def told(*found):
    return violations.violations_text(found, colour=False)


def test_place_snippet_caret_and_hint():
    found = made(origin=at(14), column=5, snippet="    ef_construct: 1", hint="Write 4 or more.")
    assert told(found) == (
        """\
error[QC043]: must be at least 4
  --> manifests/a.yaml:14:5
   |
14 |     ef_construct: 1
   |     ^
   = Write 4 or more.

1 error"""
    )


def test_the_gutter_fits_the_line_number():
    lines = told(made(origin=at(1234), column=1, snippet="x")).split("\n")
    assert lines[1:5] == ["    --> manifests/a.yaml:1234:1", "     |", "1234 | x", "     | ^"]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"origin": at(4), "address": "collection/a"}, " --> manifests/a.yaml:4"),
        ({"address": "collection/a"}, "  --> collection/a"),
    ],
)
def test_the_place_is_the_line_or_else_the_address(more, place):
    assert told(made(**more)) == f"error[QC043]: must be at least 4\n{place}\n\n1 error"


def test_without_any_place_there_is_only_the_message():
    assert told(made()) == "error[QC043]: must be at least 4\n\n1 error"


@pytest.mark.parametrize(
    ("snippet", "column"), [("\t\tm: 1", 3), ("名前: m", 5), ("\x1b[1m: m", 7), ("e\u0301: m", 5)]
)
def test_the_caret_stands_under_its_character(snippet, column):
    lines = told(made(origin=at(1), column=column, snippet=snippet)).split("\n")
    before = lines[3][: lines[3].rindex("m")]
    columns = sum(2 if char in "名前" else char != "\u0301" for char in before)
    assert lines[4].index("^") == columns


def test_a_column_beyond_a_cut_snippet_points_to_its_end():
    lines = told(made(origin=at(1), column=5000, snippet="x" * 10 + "…")).split("\n")
    assert lines[4].index("^") == lines[3].index("…") + 1


def test_all_severities_are_counted_but_off():
    found = [made(severity=word) for word in Severity] + [made()]
    assert told(*found).endswith("\n\n2 errors, 1 warning, 1 note")
    assert "off[" not in told(*found)


def test_json_counts_and_keeps_places():
    found = [made(origin=at(14), column=5), made(severity=Severity.WARNING, address="alias/x")]
    assert json.loads(as_json.violations(found)) == {
        "format_version": "1.0",
        "valid": False,
        "error_count": 1,
        "warning_count": 1,
        "violations": [
            {
                "rule": "QC043",
                "severity": "error",
                "message": "must be at least 4",
                "hint": "",
                "origin": {"file": "manifests/a.yaml", "line": 14},
                "column": 5,
            },
            {
                "rule": "QC043",
                "severity": "warning",
                "address": "alias/x",
                "message": "must be at least 4",
                "hint": "",
            },
        ],
    }
    assert json.loads(as_json.violations([made(severity=Severity.WARNING)]))["valid"] is True
    assert json.loads(as_json.violations([]))["valid"] is True
