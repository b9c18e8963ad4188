"""`--format jsonl`: events while a command runs, and its document as last line."""

import json

import pytest

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.flows.lease import LeaseWait, hold_lease
from qdrantctl.model.actor import Actor
from tests.support.cli import run_cli
from tests.support.events import details_of, read_events
from tests.support.manifests import write_collections
from tests.support.project import VECTORS, Project


@pytest.fixture
def folder(tmp_path):
    return write_collections(tmp_path, "books", "films")


def run(server, folder, *words):
    line = (*words, "-f", folder, "--url", server.url)
    return run_cli(*line, env={"CI": "true"})


def test_a_plan_ends_with_the_document_of_json(empty_qdrant, folder):
    events, document = read_events(run(empty_qdrant, folder, "plan", "--format", "jsonl"))
    assert document == run(empty_qdrant, folder, "plan", "--format", "json").document
    assert {event["event"] for event in events} == {"activity"}
    assert "reading manifests" in details_of("activity", events)


def test_an_apply_tells_each_outcome_and_ends_with_the_report(empty_qdrant, folder, tmp_path):
    receipt = tmp_path / "receipt.json"
    result = run(
        empty_qdrant, folder, "apply", "--auto-approve", "--format", "jsonl", "--receipt", receipt
    )
    assert result.code == 0
    events, document = read_events(result)
    assert document == json.loads(receipt.read_text())
    outcomes = details_of("outcome", events)
    assert outcomes == document["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == ["done", "done"]
    kinds = [event["event"] for event in events]
    assert kinds.index("planned") < kinds.index("outcome")
    assert details_of("planned", events)[0]["create"] == 2


def test_an_apply_tells_how_many_changes_have_ended(empty_qdrant, folder):
    result = run(empty_qdrant, folder, "apply", "--auto-approve", "--format", "jsonl")
    amounts = details_of("progress", read_events(result)[0])
    assert [amount["done"] for amount in amounts] == [1, 2]
    assert {(amount["task"], amount["total"], amount["unit"]) for amount in amounts} == {
        ("apply", 2, "changes")
    }


def test_an_apply_that_waits_tells_each_state_before_the_report(empty_qdrant, folder):
    words = ("apply", "--auto-approve", "--wait", "--format", "jsonl")
    events, document = read_events(run(empty_qdrant, folder, *words))
    states = details_of("indexing", events)
    last = {state["address"]: state for state in states}
    assert last.keys() == {"collection/books", "collection/films"}
    assert all(state["is_final"] and state["status"] == "green" for state in last.values())
    assert len(document["outcomes"]) == 2


def test_what_ends_a_wait_is_told_before_the_report(empty_qdrant, tmp_path):
    """Without optimization threads nothing is indexed; `apply` says so and ends with 6."""
    (tmp_path / "a.yaml").write_text(
        "apiVersion: qdrantctl/v1\nkind: Collection\nmetadata: {name: books}\n"
        "spec:\n  vectors: {size: 4, distance: Dot}\n"
        "  optimizers_config: {indexing_threshold: 1}\n"
    )
    assert run(empty_qdrant, tmp_path, "apply", "--auto-approve").code == 0
    points = [{"id": number, "vector": [1, 0, 0, number]} for number in range(1, 2000)]
    path = "/collections/books"
    empty_qdrant.request("PATCH", path, {"optimizers_config": {"max_optimization_threads": 0}})
    empty_qdrant.request("PUT", f"{path}/points?wait=true", {"points": points})
    manifest = (tmp_path / "a.yaml").read_text()
    (tmp_path / "a.yaml").write_text(
        manifest.replace("{indexing_threshold: 1}", "{indexing_threshold: 2}")
    )
    words = ("apply", "--auto-approve", "--wait", "--wait-timeout", "5", "--format", "jsonl")
    result = run(empty_qdrant, tmp_path, *words)
    events, document = read_events(result)
    [notice] = details_of("notice", events)
    assert "collection/books is " in notice
    assert details_of("indexing", events)[-1]["is_final"]
    assert document["outcomes"][0]["status"] == "done"
    assert notice in result.err


def test_a_wait_for_another_apply_is_told(empty_qdrant, tmp_path):
    shop = Project(tmp_path)
    shop.states({"books": {"vectors": VECTORS}})
    wait = LeaseWait(0.0, lambda _: None, lambda: False)
    with (
        RestClient(Endpoint(url=empty_qdrant.url)) as client,
        hold_lease(client, "shop/dev", Actor("ada", "", ""), wait),
    ):
        result = shop.run(empty_qdrant, "apply", "--auto-approve", "--lease-timeout", "1",
                          "--format", "jsonl")  # fmt: skip
    assert result.code == 5, result.err
    events = [json.loads(line) for line in result.out.splitlines()]
    assert "Waiting up to 1 s" in details_of("notice", events)[0]


def test_an_event_is_one_line_whatever_a_resource_is_called():
    from qdrantctl.model.event import Event
    from qdrantctl.render import jsonl

    text = jsonl.event(Event(event="activity", activity="a\nb\x1b[31m\u2028c"))
    assert text.count("\n") == 1
    assert [c for c in text[:-1] if not c.isprintable()] == []
    assert json.loads(text)["activity"] == "a\nb\x1b[31m\u2028c"
