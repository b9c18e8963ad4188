"""`--format jsonl`: events while a command runs, and its document as last line."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.support.cli import run_cli
from tests.support.manifests import write_collections

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "event.json").read_text())


@pytest.fixture
def folder(tmp_path):
    return write_collections(tmp_path, "books", "films")


def run(server, folder, *words):
    line = (*words, "-f", folder, "--url", server.url)
    return run_cli(*line, env={"CI": "true"})


def lines(result):
    """The events, which follow their schema, and the last line."""
    assert result.out.endswith("\n")
    *events, document = map(json.loads, result.out.splitlines())
    for event in events:
        Draft202012Validator(SCHEMA).validate(event)
    assert "event" not in document
    return events, document


def test_a_plan_ends_with_the_document_of_json(empty_qdrant, folder):
    events, document = lines(run(empty_qdrant, folder, "plan", "--format", "jsonl"))
    assert document == run(empty_qdrant, folder, "plan", "--format", "json").document
    assert {event["event"] for event in events} == {"activity"}
    assert "reading manifests" in [event["activity"] for event in events]


def test_an_apply_tells_each_outcome_and_ends_with_the_report(empty_qdrant, folder, tmp_path):
    receipt = tmp_path / "receipt.json"
    result = run(
        empty_qdrant, folder, "apply", "--auto-approve", "--format", "jsonl", "--receipt", receipt
    )
    assert result.code == 0
    events, document = lines(result)
    assert document == json.loads(receipt.read_text())
    outcomes = [event["outcome"] for event in events if event["event"] == "outcome"]
    assert outcomes == document["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == ["done", "done"]
    kinds = [event["event"] for event in events]
    assert kinds.index("planned") < kinds.index("outcome")
    planned = next(event for event in events if event["event"] == "planned")
    assert planned["summary"]["create"] == 2


def test_an_event_is_one_line_whatever_a_resource_is_called():
    from qdrantctl.model.event import Event
    from qdrantctl.render import jsonl

    text = jsonl.event(Event(event="activity", activity="a\nb\x1b[31m\u2028c"))
    assert text.count("\n") == 1
    assert [c for c in text[:-1] if not c.isprintable()] == []
    assert json.loads(text)["activity"] == "a\nb\x1b[31m\u2028c"
