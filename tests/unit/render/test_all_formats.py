"""What holds for every format."""

from __future__ import annotations

import json as plain_json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.formats import MOST_MIB, MOST_SECONDS, measure_alone
from qdrantctl.cli.output import formats_of
from qdrantctl.render import diagnostics as violations
from qdrantctl.render import json, markdown, text
from qdrantctl.render.shared.style import Style
from tests.support.plans import plans, quickly, reports
from tests.support.plans import violations as broken


def every_plan(made):
    return text.plan(made), json.plan(made), markdown.plan(made, Style(max_bytes=10**9))


def every_report(made):
    return text.report(made), json.report(made), markdown.report(made)


def assert_harmless(found: str) -> None:
    assert [char for char in found if not char.isprintable() and char != "\n"] == []


def numbers(found: str) -> tuple[str, ...]:
    """The sentence that counts, whatever stands around it."""
    return tuple(
        re.findall(
            r"^(?:### (?:Applicable\. |Blocked\. )?)?((?:Plan: |No changes\.|Apply \w[\w -]*!).*)$",
            found,
            re.M,
        )
    )


@pytest.mark.slow
@quickly
@given(plans)
def test_nothing_that_a_terminal_obeys_is_in_a_plan(made):
    for found in every_plan(made):
        assert_harmless(found)
        assert found.endswith("\n")
    assert_harmless(re.sub(r"\x1b\[[0-9;]*m", "", text.plan(made, Style(colour=True))))


@quickly
@given(reports)
def test_nothing_that_a_terminal_obeys_is_in_a_report(made):
    for found in every_report(made):
        assert_harmless(found)
    for outcome in made.outcomes:
        line = text.outcome(outcome)
        assert_harmless(line)
        assert "\n" not in line


@quickly
@given(st.lists(broken, max_size=3))
def test_nothing_that_a_terminal_obeys_is_in_violations(found):
    assert_harmless(violations.violations_text(found, colour=False))
    assert_harmless(json.violations(found))
    told = plain_json.loads(json.violations(found))["violations"]
    kept = [v.model_dump(mode="json") for v in found if v.severity != "off"]
    assert told == kept


@pytest.mark.slow
@quickly
@given(plans)
def test_all_formats_of_a_plan_have_the_same_numbers(made):
    in_text, document, in_markdown = every_plan(made)
    told = numbers(in_text)
    assert told == numbers(in_markdown)
    counts = plain_json.loads(document)["summary"]
    if told[0].startswith("No changes"):
        assert sum(counts.values()) == counts["noop"]
        return
    said = {word: int(n) for n, word in re.findall(r"(\d+) (?:to )?(\w+)", told[0])}
    assert said.get("add", 0) == counts["create"] + counts["replace"]
    assert said.get("change", 0) == counts["update"]
    assert said.get("destroy", 0) == counts["delete"] + counts["replace"]
    for word in ("adopt", "forget", "run", "refused"):
        assert said.get(word, 0) == counts[word]


@quickly
@given(reports)
def test_all_formats_of_a_report_have_the_same_numbers(made):
    in_text, document, in_markdown = every_report(made)
    told = numbers(in_text)
    assert told == numbers(in_markdown)
    met = plain_json.loads(document)["outcomes"]
    done = [o["action"] for o in met if o["status"] == "done"]
    if told[0].startswith("No changes"):
        assert not done
        return
    pattern = r"(\d+) ([a-z]+(?: reached| by the server)?)"
    said = {word: int(n) for n, word in re.findall(pattern, told[0])}
    assert said["added"] == done.count("create") + done.count("replace")
    assert said["changed"] == done.count("update")
    assert said["destroyed"] == done.count("delete") + done.count("replace")
    assert said.get("adopted", 0) == done.count("adopt")
    for status, word in (("failed", "failed"), ("not_taken", "ignored by the server")):
        assert said.get(word, 0) == sum(o["status"] == status for o in met)


@pytest.mark.slow
@quickly
@given(plans)
def test_json_is_the_document_and_its_digest_is_last(made):
    assert plain_json.loads(json.plan(made)) == plain_json.loads(plain_json.dumps(made.document()))
    assert json.plan(made).splitlines()[-2].startswith('  "digest": "sha256:')


@pytest.mark.slow
@quickly
@given(plans)
def test_the_same_plan_gives_the_same_bytes(made):
    assert every_plan(made) == every_plan(made.model_copy(deep=True))


def test_json_keeps_letters_of_all_languages():
    from qdrantctl.model.change import Action
    from tests.support.plans import change, plan

    assert "collection/größe" in json.plan(plan(change(Action.CREATE, "collection/größe")))


@pytest.mark.slow
@pytest.mark.parametrize("name", formats_of("plan"))
def test_a_plan_of_2000_changes_is_printed_in_three_seconds_and_200_mib(name):
    measured = measure_alone(name)
    assert measured["seconds"] <= MOST_SECONDS
    assert measured["mib"] <= MOST_MIB
    if name == "markdown":
        assert measured["bytes"] <= 65536, "the limit of GitHub"
