"""Collections of a replacement that another user deletes: what is left comes into use again."""

from __future__ import annotations

import json

import pytest

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from tests.e2e.replacement.products import (
    ADDRESS,
    ALIAS,
    COSINE,
    COUNT,
    DOT,
    manifest,
    names,
    read,
    target,
)
from tests.support.project import asked, record

ROLL_BACK = ("replacement", "rollback", ADDRESS, "--auto-approve")


@pytest.fixture
def replaced(project, node):
    """A project whose collection was replaced; the old one is kept."""
    project.states({"products": manifest(COSINE)}, ALIAS)
    assert project.apply(node).code == 0
    assert target(node) == "products--2"
    return project


def test_the_old_one_comes_into_use_where_the_new_one_was_deleted(replaced, node):
    asked(node, "DELETE", "/collections/products--2")
    refused = replaced.apply(node)
    assert refused.code == 3
    assert f"replacement rollback {ADDRESS}" in refused.err
    told = replaced.run(node, *ROLL_BACK, "--format", "json")
    assert told.code == 0, told.err
    [outcome] = json.loads(told.out)["outcomes"]
    assert (outcome["status"], outcome["note"]) == ("done", "the aliases lead to products")
    assert target(node) == "products"
    assert len(read(node)) == COUNT
    assert record(node, ADDRESS)["object"] == "products"
    replaced.states({"products": manifest(DOT)}, ALIAS)
    planned = json.loads(replaced.plan(node).out)["changes"]
    assert [c["address"] for c in planned if c["steps"]] == []
    replaced.states({"products": manifest(COSINE)}, ALIAS)
    assert replaced.apply(node).code == 0
    assert len(read(node)) == COUNT


def test_a_rollback_ends_where_one_of_both_was_deleted(replaced, node):
    """Either can be gone when a rollback was interrupted before its switch."""
    interrupt_rollback(node)
    asked(node, "DELETE", "/collections/products")
    gone = replaced.run(node, *ROLL_BACK)
    assert gone.code == 64
    assert f"replacement abort {ADDRESS}" in gone.err
    ended = replaced.run(node, "replacement", "abort", ADDRESS, "--auto-approve")
    assert ended.code == 0, ended.err
    assert names(node) == {"products--2"}
    assert target(node) == "products--2"
    assert replaced.plan(node).code == 0


def test_a_rollback_goes_on_where_the_collection_in_use_was_deleted(replaced, node):
    interrupt_rollback(node)
    asked(node, "DELETE", "/collections/products--2")
    told = replaced.run(node, *ROLL_BACK)
    assert told.code == 0, told.err
    assert target(node) == "products"
    assert record(node, ADDRESS)["object"] == "products"


def interrupt_rollback(node):
    """Begin a rollback, and end it before the switch, as a pause does."""
    entry = record(node, "replacement/products")
    run = entry["replacement"]
    run |= {
        "phase": "catch_up", "returning": True, "old": run["new"], "new": run["old"],
        "entry": run["before"], "before": run["entry"], "keep_until": "",
    }  # fmt: skip
    point_id = ledger_point_id("replacement/products")
    body = {"payload": {"replacement": run}, "points": [point_id]}
    asked(node, "POST", "/collections/_qdrantctl/points/payload?wait=true", body)
