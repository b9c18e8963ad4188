"""Sets of several clusters at one destination, and those that no ledger knows."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.project import asked, record
from tests.support.servers import Node, free_port
from tests.support.snapshot_policies import Shop, backdate, ledger_tells, policy, sets
from tests.support.snapshots import FROM, contents, files, fill, names

TAKEN = "snapshot_sets/shop/dev/nightly"
RESTORE = ("snapshots", "restore", FROM, "--auto-approve")


def cluster_of(folder: Path) -> str:
    """The id of the cluster of a set."""
    return str(json.loads((folder / "set.json").read_text())["cluster"])


@pytest.fixture
def other(fresh_qdrant, kept, tmp_path):
    """Another cluster of the same project and environment, at the same destination."""
    shop = Shop(tmp_path / "other")
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1})})
    node = fresh_qdrant(cluster=False)
    shop.done(node)
    fill(node, count=3)
    return shop, node


def test_two_clusters_at_one_destination(node, shop, kept, other):
    theirs, their_node = other
    told = theirs.run(their_node, "snapshots", "run")
    assert told.code == 0, told.out + told.err
    assert "sets of shop/dev on another cluster, too" in told.out
    assert len(sets(kept)) == 2
    clusters = {cluster_of(found) for found in sets(kept)}
    assert len(clusters) == 2
    for at, project, count in ((node, shop, 30), (their_node, theirs, 3)):
        found = [v for v in project.plan(at).document["violations"] if v["rule"] == "QC165"]
        assert ["on another cluster" in v["message"] for v in found] == [True]
        listed = project.run(at, "snapshots", "list", "--format", "json")
        assert len(listed.document["sets"]) == 1
        assert "on another cluster, too" in listed.err
        told = project.run(at, *RESTORE, "--from", f"file://{kept}", "--as", "again")
        assert told.code == 0, told.err
        assert len(contents(at, "again")) == count
        asked(at, "DELETE", "/collections/again")
    backdate(kept, 2)
    assert theirs.run(their_node, "snapshots", "run").code == 0
    assert theirs.run(their_node, "snapshots", "prune").code == 0
    assert len(sets(kept)) == 2, "its own old one is gone, the other cluster's is not"
    assert {cluster_of(found) for found in sets(kept)} == clusters
    for at, project in ((node, shop), (their_node, theirs)):
        told = project.run(at, "snapshots", "verify", "--format", "json")
        assert len(told.document["verified"]) == 1


def test_another_clusters_set_is_taken_when_it_is_named(node, shop, kept, other):
    theirs, at = other
    place = ("--from", f"file://{kept}")
    told = theirs.run(at, *RESTORE, *place, "--as", "again")
    assert (told.code, "again" in names(at)) == (1, False)
    [found] = sets(kept)
    assert f"--of-cluster {cluster_of(found)}" in told.err
    told = theirs.run(at, *RESTORE, *place, "--as", "again", "--of-cluster", cluster_of(found))
    assert told.code == 0, told.err
    assert f"of the cluster {cluster_of(found)}" in told.out
    assert len(contents(at, "again")) == 30
    told = theirs.run(at, *RESTORE, "--from", f"file://{found}", "--as", "more")
    assert told.code == 0, told.err
    folder = str(found.relative_to(kept))
    told = theirs.run(at, "snapshots", "prune", "--orphan", folder)
    assert (told.code, sets(kept)) == (0, []), told.err


def test_a_copy_of_a_cluster_leaves_the_sets_of_the_original(node, shop, tmp_path, fresh_qdrant):
    """It has the same id, the same ledger, and another address."""
    kept = tmp_path / "backups"
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1})})
    first = fresh_qdrant(cluster=False)
    shop.done(first)
    fill(first)
    assert shop.run(first, "snapshots", "run").code == 0
    first.stop()
    folder = tmp_path / "copy"
    shutil.copytree(first.folder, folder)
    first.start()
    first.wait()
    copy = replace(
        first, folder=folder, http_port=free_port(), grpc_port=free_port(), p2p_port=free_port()
    )
    copy.start()
    try:
        copy.wait()
        backdate(kept, 1)
        fill(copy, first=100, count=4)
        told = shop.run(copy, "snapshots", "run")
        assert told.code == 0, told.out + told.err
        assert len(sets(kept)) == 2
        told = shop.run(copy, "snapshots", "prune", "--format", "json")
        assert told.document["removed"] == []
        assert [each["kept_by"] for each in told.document["left"]] == [["taken at another address"]]
        told = shop.run(first, *RESTORE, "--from", f"file://{kept}", "--as", "again")
        assert told.code == 0, told.err
        assert len(contents(first, "again")) == 30, "the newest one is the copy's"
    finally:
        copy.stop()


def test_sets_without_an_identity_are_left_alone(node, shop, kept):
    """As they were written up to 0.1.0."""
    [found] = sets(kept)
    about = json.loads((found / "set.json").read_text())
    del about["cluster"]
    old = kept / "shop/dev/nightly/products" / found.name
    old.parent.mkdir(parents=True)
    found.rename(old)
    (old / "set.json").write_text(json.dumps(about))
    (old / "begun.json").write_text(json.dumps(about))
    asked(node, "POST", "/collections/products/snapshots?wait=true")
    [file] = files(node)
    about["snapshot"]["files"][0]["name"] = file.name
    (old / "begun.json").write_text(json.dumps(about))
    [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert (row["origin"], row["cluster"], row["state"]) == ("unknown", "", "complete")
    backdate(kept, 40)
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1})})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    assert shop.run(node, "snapshots", "prune").code == 0
    assert (len(sets(kept)), len(files(node))) == (2, 1)
    shutil.rmtree(
        sets(kept)[0] if "nightly" not in str(sets(kept)[0].parents[2]) else sets(kept)[1]
    )
    place = ("--from", f"file://{kept}", "--as", "again")
    told = shop.run(node, *RESTORE, *place)
    assert (told.code, f"{FROM}@{found.name}" in told.err) == (1, True), told.err
    words = ("snapshots", "restore", f"{FROM}@{found.name}", "--auto-approve", *place)
    told = shop.run(node, *words)
    assert told.code == 0, told.err
    assert "of an unknown cluster" in told.out
    told = shop.run(
        node, "snapshots", "prune", "--orphan", f"shop/dev/nightly/products/{found.name}"
    )
    assert (told.code, sets(kept), len(files(node))) == (0, [], 1), told.err


def test_nothing_of_the_servers_is_deleted_on_the_word_of_a_destination(node, shop, kept):
    """A forged set names a snapshot that another user took, and one that the ledger knows."""
    time.sleep(1)  # one of the same second has the same name
    asked(node, "POST", "/collections/products/snapshots?wait=true")
    [file] = files(node)
    time.sleep(1)
    [found] = sets(kept)
    for place, form in (("forged", {}), (found.name, {"set.json": True})):
        about = json.loads((found / "set.json").read_text())
        about["id"] = place
        about["snapshot"]["files"][0]["name"] = file.name
        folder = found.parent / place
        folder.mkdir(exist_ok=True)
        (folder / "begun.json").write_text(json.dumps(about))
        if not form:
            shutil.copy(next(found.glob("*.snapshot")), folder)
            (folder / "set.json").write_text(json.dumps(about))
    backdate(kept, 1)
    told = shop.run(node, "snapshots", "run")
    assert told.code in (0, 6), told.out + told.err
    forged = str((found.parent / "forged").relative_to(kept))
    shop.run(node, "snapshots", "prune", "--orphan", forged)
    assert files(node) == [file]


def test_a_set_that_the_ledger_does_not_know_counts_for_nothing(node, shop, kept):
    [found] = sets(kept)
    taken = record(node, TAKEN)["taken"]
    assert [*taken] == [f"{found.relative_to(kept)}/"]
    ledger_tells(node, TAKEN, {"taken": {}})
    [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert row["origin"] == "unrecorded"
    told = shop.run(node, *RESTORE, "--from", f"file://{kept}", "--as", "again")
    assert (told.code, "not recorded in the ledger" in told.err) == (1, True)
    assert "not in the ledger" in shop.run(node, "snapshots", "list").out


def test_one_server_at_two_addresses_is_one_place(node, shop, kept):
    assert isinstance(node, Node)
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1})})
    shop.done(node)
    backdate(kept, 1)
    told = shop.run(node.url.replace("127.0.0.1", "localhost"), "snapshots", "run")
    assert told.code == 0, told.out
    assert len(sets(kept)) == 1
