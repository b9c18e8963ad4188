"""A replacement without downtime from its plan to its end, and every way out of it."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from qdrantctl.adapters.qdrant import leases
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from qdrantctl.flows.lease import LeaseWait, hold_lease
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.actor import Actor
from qdrantctl.model.lease import Lease, replacements_owner
from tests.e2e.replacement.products import (
    ADDRESS,
    ALIAS,
    COSINE,
    COUNT,
    DOT,
    EUCLID,
    manifest,
    names,
    read,
    status,
    target,
    write,
)
from tests.support.project import Project, asked, record


def test_a_new_collection_takes_the_place_of_the_old_one(project, node):
    project.states({"products": manifest(COSINE)}, ALIAS)
    planned = project.plan(node)
    assert planned.code == 2
    [change] = [c for c in json.loads(planned.out)["changes"] if c["action"] == "replace"]
    forecast = change["replacement"]
    assert (forecast["old"], forecast["new"]) == ("products", "products--2")
    assert forecast["points"] == COUNT
    assert forecast["aliases"] == ["products-live"]
    kinds = [next(iter(step)) for step in change["steps"]]
    order = ["call", "call", "fill", "catch_up", "call", "verify", "switch", "sweep", "keep"]
    assert kinds == order
    shown = project.run(node, "plan").out
    assert "will be replaced without downtime" in shown
    assert "+/- collection/products" in shown

    before = read(node)
    told = project.apply(node)
    assert told.code == 0, told.err
    assert target(node) == "products--2"
    assert names(node) == {"products", "products--2"}
    assert read(node) == before == read(node, "products")
    info = asked(node, "GET", "/collections/products--2")
    assert info["config"]["params"]["vectors"]["distance"] == "Cosine"
    assert info["config"]["optimizer_config"]["indexing_threshold"] > 0
    assert record(node, ADDRESS)["object"] == "products--2"
    assert status(project, node)["state"] == "kept"
    after = project.plan(node)
    assert after.code == 0
    assert {v["rule"] for v in json.loads(after.out)["violations"]} == {"QC250"}
    assert json.loads(after.out)["unmanaged"] == []
    drift = project.run(node, "drift")
    assert drift.code == 0
    assert "collection/products: products is kept from its replacement until" in drift.out

    finished = project.run(node, "replacement", "finish", ADDRESS, "--auto-approve")
    assert finished.code == 0, finished.err
    assert names(node) == {"products--2"}
    assert "snapshots restore collection/products@" in finished.out + finished.err
    assert project.run(node, "replacement", "status").out.startswith("no replacement")
    assert project.plan(node).code == 0

    project.states({"products": manifest(EUCLID)}, ALIAS)
    assert project.apply(node).code == 0
    assert target(node) == "products--3"
    assert read(node) == before


def test_no_alias_leads_to_it(tmp_path, node):
    project = Project(tmp_path)
    project.states({"products": manifest(DOT)})
    project.done(node)
    write(node, range(3), "products")
    project.states({"products": manifest(COSINE)})
    told = project.apply(node)
    assert told.code == 3
    assert "QC246" in told.err + told.out
    assert names(node) == {"products"}


def test_vectors_of_another_size_cannot_be_copied(project, node):
    larger = {**DOT, "vectors": {"size": 8, "distance": "Dot"}}
    project.states({"products": manifest(larger)}, ALIAS)
    told = project.apply(node)
    assert told.code == 3
    assert "QC247" in told.err + told.out


def closed_until(go: Path):
    """A gate that is closed as long as a file is missing."""
    script = f"import os, sys; sys.exit(not os.path.exists({str(go)!r}))"
    return {"verify": {"command": [sys.executable, "-c", script]}}


def test_a_closed_gate_leaves_both_and_the_next_apply_goes_on(project, node, tmp_path):
    go = tmp_path / "go"
    desired = {"products": manifest(COSINE, **closed_until(go))}
    project.states(desired, ALIAS)
    told = project.apply(node)
    assert told.code == 6
    assert "the gate is closed" in told.out + told.err
    assert "command failed" in told.out + told.err
    assert target(node) == "products"
    assert names(node) == {"products", "products--2"}
    assert status(project, node)["phase"] == "gate"

    # Others go on; this one can become nothing else meanwhile.
    project.states({**desired, "other": DOT}, ALIAS)
    assert project.apply(node, "--exclude", ADDRESS).code == 0
    project.states({"products": manifest(EUCLID), "other": DOT}, ALIAS)
    refused = project.apply(node)
    assert refused.code == 3
    assert "a replacement is under way" in refused.out + refused.err

    project.states({**desired, "other": DOT}, ALIAS)
    write(node, [5000])
    paused = project.run(node, "replacement", "pause", ADDRESS)
    assert paused.code == 0
    go.touch()
    assert project.apply(node).code == 0
    assert target(node) == "products"
    assert status(project, node)["state"] == "paused"
    resumed = project.run(node, "replacement", "resume", ADDRESS, "--auto-approve")
    assert resumed.code == 0, resumed.err
    assert target(node) == "products--2"
    assert len(read(node)) == COUNT + 1


def test_an_apply_goes_on_while_another_process_fills(project, node, tmp_path):
    desired = {"products": manifest(COSINE, **closed_until(tmp_path / "go"))}
    project.states(desired, ALIAS)
    assert project.apply(node).code == 6
    project.states({**desired, "other": DOT}, ALIAS)
    client = RestClient(Endpoint(url=node.url))
    wait = LeaseWait(0.0, lambda _: None, lambda: False)
    actor = Actor("ada", "", "")
    with client, hold_lease(client, replacements_owner("shop/dev"), actor, wait):
        told = project.apply(node)
        assert told.code == 0, told.err
        assert "ada" in told.err
        assert "carries it out" in told.err
        assert "A replacement is under way" in project.apply(node).err
        assert status(project, node)["state"] == "running"
        project.states({"products": manifest(EUCLID), "other": DOT}, ALIAS)
        assert project.apply(node).code == 3
    assert names(node) == {"products", "products--2", "other"}
    assert target(node) == "products"


def test_an_apply_that_may_wait_goes_on_after_one_that_was_killed(project, node, tmp_path):
    """The lease that it left expires; only then is it known that no process carries it out."""
    go = tmp_path / "go"
    project.states({"products": manifest(COSINE, **closed_until(go))}, ALIAS)
    assert project.apply(node).code == 6
    go.touch()
    owner = replacements_owner("shop/dev")
    with RestClient(Endpoint(url=node.url)) as client:
        assert leases.list_leases(client, owner) == []
        since = client.server_time
        expires = since + timedelta(seconds=3)
        leases.create_lease(client, Lease(owner, 1, "x", "ada", acquired=since, expires=expires))
    told = project.run(node, "apply", "--auto-approve", "--lease-timeout", "60")
    assert told.code == 0, told.err
    assert "Waiting up to 60 s until the lease of ada" in told.err
    assert target(node) == "products--2"


def test_abort_deletes_the_new_one_only(project, node, tmp_path):
    project.states({"products": manifest(COSINE, **closed_until(tmp_path / "go"))}, ALIAS)
    assert project.apply(node).code == 6
    aborted = project.run(node, "replacement", "abort", ADDRESS, "--auto-approve")
    assert aborted.code == 0, aborted.err
    assert names(node) == {"products"}
    assert len(read(node)) == COUNT
    assert project.run(node, "replacement", "abort", ADDRESS, "--auto-approve").code == 64


@pytest.mark.parametrize("desired", [COSINE, {**DOT, "shard_number": 2}], ids=["rounded", "exact"])
def test_rollback_carries_what_was_written_since(project, node, desired):
    project.states({"products": manifest(desired)}, ALIAS)
    assert project.apply(node).code == 0
    write(node, [7, 9001], new=True)
    path = "/collections/products-live/points/delete?wait=true"
    asked(node, "POST", path, {"points": [8]})
    after = read(node)
    rolled = project.run(node, "replacement", "rollback", ADDRESS, "--auto-approve")
    assert rolled.code == 0, rolled.err
    assert "will be rolled back without downtime" in rolled.out + rolled.err
    assert "rolled back to products;" in rolled.err
    assert target(node) == "products"
    assert read(node) == after
    assert after.keys() >= {7, 9001}
    assert status(project, node)["old"] == "products--2"


def test_no_rollback_before_the_sweep_has_ended(project, node):
    """The caps and marks of an interrupted sweep would be taken for those of the rollback."""
    project.states({"products": manifest(COSINE)}, ALIAS)
    assert project.apply(node).code == 0
    entry = record(node, "replacement/products")["replacement"] | {"phase": "sweep"}
    body = {
        "payload": {"replacement": entry},
        "points": [ledger_point_id("replacement/products")],
    }
    asked(node, "POST", "/collections/_qdrantctl/points/payload?wait=true", body)
    refused = project.run(node, "replacement", "rollback", ADDRESS, "--auto-approve")
    assert refused.code == 64
    assert "the sweep of collection/products has not ended" in refused.err
    assert target(node) == "products--2"
    assert project.run(node, "replacement", "resume", ADDRESS, "--auto-approve").code == 0
    rolled = project.run(node, "replacement", "rollback", ADDRESS, "--auto-approve")
    assert rolled.code == 0, rolled.err
    assert target(node) == "products"


def test_nothing_can_be_carried_back_without_a_record_of_it(project, node):
    project.states({"products": manifest(COSINE)}, ALIAS)
    assert project.apply(node).code == 0
    write(node, [9001, 9002])
    folder = project.folder / ".qdrantctl" / "replacements"
    for file in folder.rglob("*-0"):
        file.unlink()
    rolled = project.run(node, "replacement", "rollback", ADDRESS, "--auto-approve")
    assert rolled.code == 0, rolled.err
    assert "2 points that differ cannot be carried over" in rolled.out + rolled.err
    assert target(node) == "products"
    assert len(read(node)) == COUNT


def test_the_old_one_is_retired_with_the_consent_of_the_pull_request(project, node):
    project.states({"products": manifest(COSINE)}, ALIAS)
    assert project.apply(node).code == 0
    entry = record(node, "replacement/products")["replacement"]
    entry["keep_until"] = "2026-01-01T00:00:00+00:00"
    body = {
        "payload": {"replacement": entry},
        "points": [ledger_point_id("replacement/products")],
    }
    asked(node, "POST", "/collections/_qdrantctl/points/payload?wait=true", body)
    without = project.apply(node)
    assert without.code == 0
    assert names(node) == {"products", "products--2"}
    told = project.done(node, "--allow-replace", ADDRESS)
    assert told.code == 0
    assert names(node) == {"products--2"}


def test_somebody_else_fills_it(project, node):
    project.states({"products": manifest(COSINE, fill="external")}, ALIAS)
    told = project.apply(node)
    assert told.code == 6
    assert "another program" in told.out + told.err
    write(node, range(COUNT), "products--2")
    assert project.apply(node).code == 0
    assert target(node) == "products--2"


def test_a_saved_plan_of_a_live_collection(project, node):
    project.states({"products": manifest(COSINE)}, ALIAS)
    saved = project.folder / "plan.json"
    assert project.run(node, "plan", "--out", str(saved)).code == 0
    write(node, [9001])
    told = project.run(node, "apply", str(saved))
    assert told.code == 0, told.err
    assert target(node) == "products--2"
    assert 9001 in read(node)


@pytest.mark.parametrize(
    ("writers", "pause"), [("dual", 10.0), ("frozen", 10.0), ("live", 10.0), ("live", -1.0)]
)
def test_writers(project, node, writers, pause, monkeypatch):
    """With no time for a whole pass before the switch, a pass over ids must do."""
    monkeypatch.setattr("qdrantctl.flows.replacement.switch.LONGEST_PAUSE", pause)
    project.states({"products": manifest(COSINE, writers=writers)}, ALIAS)
    assert project.apply(node).code == 0
    assert target(node) == "products--2"
    assert len(read(node)) == COUNT


def test_limits_of_both_collections(project, node):
    strict = {
        "enabled": True,
        "unindexed_filtering_update": False,
        "upsert_max_batchsize": 50,
        "max_query_limit": 40,
        "filter_max_conditions": 4,
    }
    project.states({"products": manifest({**DOT, "strict_mode_config": strict})}, ALIAS)
    project.done(node)
    project.states({"products": manifest({**COSINE, "strict_mode_config": strict})}, ALIAS)
    told = project.apply(node)
    assert told.code == 0, told.out
    config = asked(node, "GET", "/collections/products--3")["config"]["strict_mode_config"]
    assert config == strict
    kept = asked(node, "GET", "/collections/products")["config"]["strict_mode_config"]
    # Caps of the switch, which cannot be unset.
    lifted = ("max_collection_payload_size_bytes", "write_rate_limit")
    assert kept == strict | dict.fromkeys(lifted, UNLIMITED)


def test_nothing_is_deleted_while_it_is_needed(project, node, tmp_path):
    """`finish` in the middle, and what stays if another user deletes a collection."""
    desired = {"products": manifest(COSINE, **closed_until(tmp_path / "never"))}
    project.states(desired, ALIAS)
    assert project.apply(node).code == 6
    finished = project.run(node, "replacement", "finish", ADDRESS, "--auto-approve")
    assert finished.code == 64
    assert "has not ended: it is in phase gate" in finished.err
    assert names(node) == {"products", "products--2"}

    asked(node, "DELETE", "/collections/products")
    stopped = project.run(node, "replacement", "resume", ADDRESS, "--auto-approve")
    assert stopped.code in (3, 6)
    aborted = project.run(node, "replacement", "abort", ADDRESS, "--auto-approve")
    assert aborted.code == 0, aborted.err
    assert "it holds the only copy of the points" in aborted.out
    assert names(node) == {"products--2"}


def test_the_kept_collection_is_deleted_by_another_user(project, node):
    project.states({"products": manifest(COSINE)}, ALIAS)
    assert project.apply(node).code == 0
    asked(node, "DELETE", "/collections/products")
    rolled = project.run(node, "replacement", "rollback", ADDRESS, "--auto-approve")
    assert rolled.code == 64
    assert "products is gone from the cluster" in rolled.err
    finished = project.run(node, "replacement", "finish", ADDRESS, "--auto-approve")
    assert finished.code == 0, finished.err
    assert "products is gone already" in finished.out
    assert names(node) == {"products--2"}
    assert project.plan(node).code == 0


def test_shard_keys_of_ones_own(tmp_path, node):
    """One id may stand under two keys: they are two points."""
    custom = {"sharding_method": "custom", "shard_keys": ["eu", 7]}
    project = Project(tmp_path)
    project.states({"products": manifest({**DOT, **custom})}, ALIAS)
    project.done(node)
    for key, ids in (("eu", range(20)), (7, range(10, 40))):
        points = [{"id": i, "vector": [i + 1, 1, 1, 1], "payload": {"key": key}} for i in ids]
        body = {"points": points, "shard_key": key}
        asked(node, "PUT", "/collections/products-live/points?wait=true", body)
    project.states({"products": manifest({**COSINE, **custom})}, ALIAS)
    told = project.apply(node)
    assert told.code == 0, told.err
    assert target(node) == "products--2"
    for key, count in (("eu", 20), (7, 30)):
        body = {"limit": 100, "with_payload": True, "shard_key": key}
        path = "/collections/products-live/points/scroll"
        found = asked(node, "POST", path, body)["points"]
        assert len(found) == count
        assert {point["payload"]["key"] for point in found} == {key}
