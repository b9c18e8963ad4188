"""Each node of a cluster has its own shards: every one gives its part, and takes it back."""

from __future__ import annotations

import pytest

from tests.cluster.test_one_node_down import down, peer, wait
from tests.support.project import asked, record
from tests.support.snapshots import (
    DELETE,
    FROM,
    OTHER,
    SPEC,
    about,
    contents,
    fill,
    names,
    restored,
)


def placed(nodes, name):
    """Where the shards are, and how many points each replica holds."""
    found = {}
    for node in nodes:
        told = asked(node, "GET", f"/collections/{name}/cluster")
        assert told["shard_transfers"] == []
        for shard in told["local_shards"]:
            found[peer(node), shard["shard_id"]] = (shard["state"], shard["points_count"])
    return found


def same_everywhere(nodes, name, before):
    """Each node tells the same points; one may answer late for a moment."""
    for node in nodes:
        wait(lambda node=node: (contents(node, name), about(node, name)) == before, 2)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_deleted_collection_is_had_again_on_every_node(nodes, project, replicas):
    spec = SPEC | {"shard_number": 3, "replication_factor": replicas}
    project.names(nodes)
    project.states({"products": spec, "other": OTHER}, {"live": "products"})
    project.done(nodes[0])
    fill(nodes[0])
    before = contents(nodes[1], "products"), about(nodes[1], "products")
    were = placed(nodes, "products")
    assert len(were) == 3 * replicas
    project.states({"other": OTHER})
    project.done(nodes[1], *DELETE)
    [known] = record(nodes[2], FROM)["snapshots"]
    assert {file["peer"] for file in known["files"]} == {str(place[0]) for place in were}
    told = restored(project, nodes[2], "--as", "products-again")
    assert told.code == 0, told.out + told.err
    assert placed(nodes, "products-again") == were
    same_everywhere(nodes, "products-again", before)
    for node in nodes:
        assert asked(node, "GET", "/collections/products-again/snapshots") == []
    told = restored(project, nodes[0], "--as", "products")
    assert told.code == 0, told.out + told.err
    assert placed(nodes, "products") == were
    same_everywhere(nodes, "products", before)
    listed = project.run(nodes[0], "snapshots", "list", FROM, "--format", "json").document
    assert {entry["node"] for entry in listed["snapshots"]} == {node.url for node in nodes}
    project.names([])
    listed = project.run(nodes[0], "snapshots", "list", FROM, "--format", "json").document
    assert {entry["listed"] for entry in listed["snapshots"]} == {True, None}


def test_shard_keys_are_where_they_were(nodes, project):
    spec = SPEC | {"sharding_method": "custom", "shard_number": 2, "replication_factor": 2}
    project.names(nodes)
    project.states({"products": spec | {"shard_keys": ["eu", 7]}})
    project.done(nodes[0])
    fill(nodes[0], key="eu")
    fill(nodes[0], key=7, count=10, first=100)
    before = contents(nodes[1], "products"), about(nodes[1], "products")
    were = placed(nodes, "products")
    project.states({"products": spec | {"shard_keys": ["eu"]}})
    project.done(nodes[1], *DELETE)
    told = restored(project, nodes[0], "--as", "products-again")
    assert told.code == 0, told.out + told.err
    assert placed(nodes, "products-again") == were
    same_everywhere(nodes, "products-again", before)


def test_without_every_node_nothing_is_destroyed(nodes, project):
    spec = SPEC | {"shard_number": 3, "replication_factor": 2}
    project.states({"products": spec, "other": OTHER})
    project.done(nodes[0])
    fill(nodes[0])
    project.states({"other": OTHER})
    for stated in ([], nodes[:2]):
        if stated:
            project.names(stated)
        told = project.apply(nodes[0], *DELETE)
        assert told.code == 3, told.out + told.err
        plan = project.plan(nodes[0], *DELETE)
        assert plan.code == 3
        assert "has shards on 3 nodes" in plan.message("QC215")
    project.names([*nodes[:2], nodes[0]])  # one of them twice: only apply can tell
    told = project.apply(nodes[0], *DELETE)
    assert told.code == 6, told.out + told.err
    assert f"No URL leads to peer {peer(nodes[2])}" in told.out
    project.names(nodes)
    with down(nodes, 2) as others:
        told = project.apply(others[0], *DELETE)
        assert told.code == 6, told.out + told.err
        assert f"{nodes[2].url}: cannot be reached" in told.out
        assert "Nothing of collection/products was destroyed." in told.out
        assert "products" in names(others[0])
    assert about(nodes[0], "products")[2] == 30
    project.done(nodes[0], *DELETE)
    project.names(nodes[:2])
    told = restored(project, nodes[0], "--as", "products-again")
    assert told.code == 1, told.out + told.err
    assert "cannot reach every node" in told.err
    assert "products-again" not in names(nodes[0])
    project.names(nodes)
    told = restored(project, nodes[0], "--as", "products-again")
    assert told.code == 0, told.out + told.err


def test_somebody_may_go_without(nodes, project):
    project.states({"products": SPEC, "other": OTHER})
    project.done(nodes[0])
    fill(nodes[0])
    project.states({"other": OTHER})
    project.done(nodes[0], *DELETE, "--no-safety-snapshot", FROM)
