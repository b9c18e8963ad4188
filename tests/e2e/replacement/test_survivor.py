"""Collections of a replacement that another user deletes: what is left comes into use again."""

from __future__ import annotations

import json

import pytest

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from tests.e2e.replacement.test_life import (
    ADDRESS,
    ALIAS,
    COSINE,
    COUNT,
    DOT,
    manifest,
    names,
    read,
    target,
    write,
)
from tests.support.project import Project, asked, record

ROLL_BACK = ("replacement", "rollback", ADDRESS, "--auto-approve")


@pytest.fixture
def node(empty_qdrant):
    return empty_qdrant


@pytest.fixture
def project(tmp_path, node):
    """A project whose collection was replaced; the old one is kept."""
    made = Project(tmp_path)
    made.states({"products": manifest(DOT)}, ALIAS)
    made.done(node)
    write(node, range(COUNT))
    made.states({"products": manifest(COSINE)}, ALIAS)
    assert made.apply(node).code == 0
    assert target(node) == "products--2"
    return made


def test_the_old_one_comes_into_use_where_the_new_one_was_deleted(project, node):
    asked(node, "DELETE", "/collections/products--2")
    refused = project.apply(node)
    assert refused.code == 3
    assert f"replacement rollback {ADDRESS}" in refused.err
    told = project.run(node, *ROLL_BACK, "--format", "json")
    assert told.code == 0, told.err
    [outcome] = json.loads(told.out)["outcomes"]
    assert (outcome["status"], outcome["note"]) == ("done", "the aliases lead to products")
    assert target(node) == "products"
    assert len(read(node)) == COUNT
    assert record(node, ADDRESS)["object"] == "products"
    project.states({"products": manifest(DOT)}, ALIAS)
    planned = json.loads(project.plan(node).out)["changes"]
    assert [c["address"] for c in planned if c["steps"]] == []
    project.states({"products": manifest(COSINE)}, ALIAS)
    assert project.apply(node).code == 0
    assert len(read(node)) == COUNT


def test_a_rollback_ends_where_one_of_both_was_deleted(project, node):
    """Either can be gone when a rollback was interrupted before its switch."""
    interrupt_rollback(project, node)
    asked(node, "DELETE", "/collections/products")
    gone = project.run(node, *ROLL_BACK)
    assert gone.code == 64
    assert f"replacement abort {ADDRESS}" in gone.err
    ended = project.run(node, "replacement", "abort", ADDRESS, "--auto-approve")
    assert ended.code == 0, ended.err
    assert names(node) == {"products--2"}
    assert target(node) == "products--2"
    assert project.plan(node).code == 0


def test_a_rollback_goes_on_where_the_collection_in_use_was_deleted(project, node):
    interrupt_rollback(project, node)
    asked(node, "DELETE", "/collections/products--2")
    told = project.run(node, *ROLL_BACK)
    assert told.code == 0, told.err
    assert target(node) == "products"
    assert record(node, ADDRESS)["object"] == "products"


def interrupt_rollback(project, node):
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
