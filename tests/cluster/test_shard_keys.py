"""Custom sharding on a cluster of three: keys, their layout, and what they hold."""

from collections import Counter

import pytest

from tests.support.project import VECTORS, asked, upsert

BASE = {"vectors": VECTORS, "sharding_method": "custom", "shard_number": 2}
PATH = "/collections/c/shards"


def layout(node):
    """Shard key -> how many replicas each of its shards has; numbers and strings apart."""
    topology = asked(node, "GET", "/collections/c/cluster")
    shards = [*topology["local_shards"], *topology["remote_shards"]]
    replicas = Counter((repr(s["shard_key"]), s["shard_id"]) for s in shards)
    found = {}
    for (key, _), count in sorted(replicas.items()):
        found.setdefault(key, []).append(count)
    return found


def peer(node):
    return asked(node, "GET", "/cluster")["peer_id"]


def test_keys_come_before_indexes_and_each_has_its_layout(nodes, project):
    at, placed = nodes[1], peer(nodes[2])
    keys = [
        "eu",
        {"key": "us", "shards_number": 1, "replication_factor": 2},
        7,
        {"key": "7", "shards_number": 3},
        {"key": "placed", "placement": [placed]},
    ]
    project.states({"c": BASE | {"shard_keys": keys, "payload_indexes": {"a": "keyword"}}})
    told = project.plan(at)
    steps = [step["call"]["path"] for step in told.change("collection/c")["steps"]]
    assert steps == ["/collections/c", *[PATH] * 5, "/collections/c/index"]
    project.done(at)
    assert layout(at) == {
        "'eu'": [1, 1],
        "'us'": [2],
        "7": [1, 1],
        "'7'": [1, 1, 1],
        "'placed'": [1, 1],
    }
    topology = asked(at, "GET", "/collections/c/cluster")
    where = {s["peer_id"] for s in topology["remote_shards"] if s["shard_key"] == "placed"}
    assert where == {placed}
    for node in nodes:
        assert project.plan(node).code == 0
        assert "a" in asked(node, "GET", "/collections/c")["payload_schema"]


def test_the_layout_of_a_key_is_fixed(nodes, project):
    project.states({"c": BASE | {"shard_keys": [{"key": "eu", "shards_number": 1}]}})
    project.done(nodes[0])
    project.states({"c": BASE | {"shard_keys": [{"key": "eu", "shards_number": 2}]}})
    told = project.plan(nodes[1])
    assert told.code == 3
    assert "give the new layout to a new shard key" in told.change("collection/c")["because"]


def test_strangers_are_left_alone_and_shown(nodes, project):
    project.states({"c": BASE | {"shard_keys": ["eu", 7]}})
    project.done(nodes[0])
    for key in ("7", "theirs"):
        asked(nodes[1], "PUT", PATH, {"shard_key": key})
    for node in nodes:
        assert project.plan(node).code == 0
    project.states({"c": BASE | {"shard_keys": ["eu", 7], "metadata": {"a": 1}}})
    told = project.plan(nodes[2])
    shown = told.field("collection/c", "shard_keys")
    assert (shown["live"], shown["because"]) == (["7", "theirs"], "not managed")
    project.done(nodes[2])
    assert set(layout(nodes[0])) == {"'eu'", "7", "'7'", "'theirs'"}


def test_a_key_added_later_gets_the_indexes_and_the_new_replication_factor(nodes, project):
    spec = BASE | {"shard_keys": ["eu"], "payload_indexes": {"a": "keyword"}}
    project.states({"c": spec})
    project.done(nodes[0])
    upsert(nodes[0], "c", key="eu")
    spec |= {"replication_factor": 3}
    project.states({"c": spec})
    told = project.plan(nodes[1])
    assert "2 of 2 shards have fewer than 3 replicas" in told.message("QC126")
    project.done(nodes[1])
    spec |= {"shard_keys": ["eu", "us"]}
    project.states({"c": spec})
    told = project.plan(nodes[2])
    calls = [step["call"] for step in told.change("collection/c")["steps"]]
    assert [(c["path"], c["body"]) for c in calls] == [(PATH, {"shard_key": "us"})]
    project.done(nodes[2])
    assert layout(nodes[0]) == {"'eu'": [1, 1], "'us'": [3, 3]}
    info = asked(nodes[0], "GET", "/collections/c")
    assert (info["points_count"], set(info["payload_schema"])) == (3, {"a"})


def test_a_key_with_points_is_only_dropped_with_consent(nodes, project):
    project.names(nodes)
    """How many points it holds is known at every node: those of other nodes are counted, too."""
    homes = [peer(node) for node in nodes]
    keys = [{"key": f"k{i}", "placement": [home]} for i, home in enumerate(homes)]
    project.states({"c": BASE | {"shard_keys": keys}})
    project.done(nodes[0])
    for number in range(2):
        upsert(nodes[0], "c", count=3 + number, key=f"k{number}")
    project.states({"c": BASE | {"shard_keys": keys[1:]}})
    for node in nodes:
        told = project.plan(node)
        assert told.code == 3
        assert "(points: 3)" in told.message("QC208")
        assert project.apply(node).code == 3
    assert "'k0'" in layout(nodes[0])
    project.done(nodes[1], "--allow-delete", "collection/c")
    assert set(layout(nodes[0])) == {"'k1'", "'k2'"}

    project.states({"c": BASE | {"shard_keys": keys[1:2]}})
    for node in nodes:
        told = project.plan(node)
        assert (told.code, "QC208" in told.rules) == (2, False), "an empty key on another node"
    project.done(nodes[0])
    assert set(layout(nodes[0])) == {"'k1'"}
    assert asked(nodes[0], "GET", "/collections/c")["points_count"] == 4


def test_keys_of_an_empty_collection_go_without_consent(nodes, project):
    project.states({"c": BASE | {"shard_keys": ["a", "b", 7]}})
    project.done(nodes[0])
    project.states({"c": BASE | {"shard_keys": ["a"]}})
    project.done(nodes[1])
    assert set(layout(nodes[2])) == {"'a'"}


def test_exclusive_keys_remove_strangers_with_consent(nodes, project):
    project.names(nodes)
    spec = BASE | {"shard_keys": ["eu"]}
    exclusive = {"spec": spec, "lifecycle": {"exclusive": ["shard_keys"]}}
    project.states({"c": spec})
    project.done(nodes[0])
    asked(nodes[0], "PUT", PATH, {"shard_key": "theirs"})
    upsert(nodes[0], "c", key="theirs")
    project.states({"c": exclusive})
    told = project.plan(nodes[1])
    assert (told.code, "QC208" in told.rules) == (3, True)
    project.done(nodes[1], "--allow-delete", "collection/c")
    assert set(layout(nodes[2])) == {"'eu'"}


@pytest.mark.until("1.16.99", "newer servers accept an index before the first shard key")
def test_indexes_without_any_key_are_refused_before_anything(nodes, project):
    project.states({"c": BASE | {"payload_indexes": {"a": "keyword"}}})
    told = project.plan(nodes[0])
    assert (told.code, "QC121" in told.rules) == (3, True)
    assert project.apply(nodes[0]).code == 3
    assert nodes[0].request("GET", "/collections/c")[0] == 404
