"""A cluster of three: whichever node is asked, apply tells what is so, and plans converge."""

import json
import time

import pytest

from tests.support.project import VECTORS, asked, config, record
from tests.support.proxy import answer, proxied

ROUNDS = 12
CATCH_UP = 1.0
"""Seconds within which every node shows what one of them has confirmed."""


@pytest.mark.parametrize("at", range(3))
def test_the_default_shard_number_is_the_number_of_nodes(nodes, project, at):
    spec = {"vectors": VECTORS}
    project.states({"c": spec})
    project.done(nodes[at])
    assert config(nodes[at], "c")["params"]["shard_number"] == 3
    project.states({"c": spec | {"shard_number": 3}})
    told = project.plan(nodes[at])
    assert (told.code, told.change("collection/c")["action"]) == (2, "adopt")
    project.done(nodes[at])
    project.states({"c": spec | {"shard_number": 2}})
    told = project.plan(nodes[at])
    assert told.code == 3
    field = told.field("collection/c", "shard_number")
    assert (field["live"], field["desired"], field["effect"]) == (3, 2, "replace")
    assert project.apply(nodes[at]).code == 3
    assert config(nodes[at], "c")["params"]["shard_number"] == 3


def test_the_stated_shard_number_counts(nodes, project):
    project.states({"c": {"vectors": VECTORS, "shard_number": 2}})
    project.done(nodes[1])
    topology = asked(nodes[2], "GET", "/collections/c/cluster")
    assert topology["shard_count"] == 2


def test_updates_through_every_node_converge(nodes, project):
    """Whatever is changed, through whatever node, is found by a plan through each of them."""
    base = {"vectors": VECTORS, "replication_factor": 2}
    aliases = {"live": "c"}
    project.states({"c": base, "d": base}, aliases)
    project.done(nodes[0])
    spec = dict(base)
    for number in range(ROUNDS):
        change = {
            0: {"hnsw_config": {"m": 20 + number}},
            1: {"optimizers_config": {"flush_interval_sec": 10 + number}},
            2: {"metadata": {"round": number}},
            3: {"strict_mode_config": {"enabled": True, "max_query_limit": 100 + number}},
            4: {"write_consistency_factor": 1 + number % 4 // 2, "read_fan_out_factor": number},
            5: {"payload_indexes": {f"field{number}": "keyword"}},
        }[number % 6]
        spec |= change
        aliases = {"live": "cd"[number % 2]}
        project.states({"c": spec, "d": base}, aliases)
        told = project.apply(nodes[number % 3], "--allow-alias", "alias/live")
        assert told.code == 0, (number, told.out, told.err)
        for further in range(3):
            converges(project, nodes[(number + further) % 3])


def converges(project, node):
    until = time.monotonic() + CATCH_UP
    while (told := project.plan(node)).code:
        assert told.code == 2, told.out + told.err
        assert time.monotonic() < until, told.out


def test_a_node_that_answers_from_before_is_no_failure(nodes, project):
    """Every read is answered from before the change for half a second after it."""
    project.states({"c": {"vectors": VECTORS}, "d": {"vectors": VECTORS}}, {"live": "c"})
    project.done(nodes[0])
    project.states(
        {"c": {"vectors": VECTORS, "hnsw_config": {"m": 32}}, "d": {"vectors": VECTORS}},
        {"live": "d"},
    )
    reads = ("/telemetry?details_level=2", "/aliases")
    before, changed = {}, []

    def stale(_, head):
        method, path = head.split(b" ")[:2]
        if method == b"PATCH" or path.decode() == "/collections/aliases":
            before.update({read: json.dumps(nodes[0].request("GET", read)[1]) for read in reads})
            changed.append(time.monotonic())
        if path.decode() in before and time.monotonic() < changed[-1] + 0.5:
            return answer(200, before[path.decode()].encode())
        return None

    with proxied(nodes[0].http_port, stale) as proxy:
        told = project.apply(proxy.url, "--allow-alias", "alias/live")
    assert len(changed) == 2
    assert told.code == 0, told.out + told.err
    assert project.plan(nodes[0]).code == 0


OK = answer(200, b'{"result":true,"status":"ok","time":0.1}')
PLAIN = {"vectors": VECTORS}
CUSTOM = {"vectors": VECTORS, "sharding_method": "custom", "shard_keys": ["eu"]}


@pytest.mark.parametrize(
    ("before", "after", "method", "path", "named"),
    [
        (PLAIN, PLAIN | {"hnsw_config": {"m": 32}}, "PATCH", "/collections/c", "hnsw_config.m"),
        (PLAIN, PLAIN | {"metadata": {"a": 1}}, "PATCH", "/collections/c", "metadata.a"),
        (
            PLAIN,
            PLAIN | {"payload_indexes": {"f": "keyword"}},
            "PUT",
            "/index",
            "payload_indexes.f",
        ),
        (CUSTOM, CUSTOM | {"shard_keys": ["eu", 7]}, "PUT", "/shards", "shard_keys.7"),
        (PLAIN, None, "DELETE", "/collections/c", "collection/c still exists"),
    ],
)
def test_an_ok_without_effect_is_no_success(
    nodes, project, monkeypatch, before, after, method, path, named
):
    monkeypatch.setattr("qdrantctl.flows.execution.read_back.CONVERGENCE_TIMEOUT", 0.5)
    project.states({"c": before, "d": PLAIN})
    project.done(nodes[0])
    was = record(nodes[0], "collection/c")
    project.states({"d": PLAIN} if after is None else {"c": after, "d": PLAIN})

    def swallow(_, head):
        verb, target = head.decode().split(" ")[:2]
        return OK if verb == method and path in target and "_qdrantctl" not in target else None

    with proxied(nodes[0].http_port, swallow) as proxy:
        told = project.apply(proxy.url)
    assert told.code == 6, told.out + told.err
    outcome = next(o for o in told.document["outcomes"] if o["address"] == "collection/c")
    assert outcome["status"] == "not_taken"
    assert named in outcome["missed"][0]
    now = record(nodes[1], "collection/c")
    assert (now["spec"], now["history"]) == (was["spec"], was["history"])
    assert "pending" in now and not now.get("deleted")
    for node in nodes:
        told = project.plan(node)
        assert told.code == 2
        change = told.change("collection/c")
        if after is not None:
            assert change["because"] == "left incomplete by an interrupted apply"
            assert {field["cause"] for field in change["fields"]} == {"edit"}
    project.done(nodes[2])


def test_a_leader_without_a_shard_of_the_collection(nodes, project):
    """What GET answers comes from another node then, which may not have got the change yet."""
    project.states({"c": {"vectors": VECTORS, "shard_number": 1}})
    project.done(nodes[0])
    leader = asked(nodes[0], "GET", "/cluster")["raft_info"]["leader"]
    peers = [asked(node, "GET", "/cluster")["peer_id"] for node in nodes]
    move_away(nodes[0], leader, next(peer for peer in peers if peer != leader))
    at = nodes[peers.index(leader)]
    assert asked(at, "GET", "/collections/c/cluster")["local_shards"] == []
    for number in range(12):
        spec = {
            "vectors": VECTORS,
            "hnsw_config": {"m": 20 + number},
            "payload_indexes": {f"f{number}": "integer"},
        }
        project.states({"c": spec})
        node = at if number % 2 else nodes[number // 2 % 3]
        told = project.apply(node)
        assert told.code == 0, told.out + told.err
        assert project.plan(node).code == 0


def move_away(node, peer, to):
    """No shard of `c` is on `peer` afterwards."""
    path = "/collections/c/cluster"
    topology = asked(node, "GET", path)
    there = [s for s in topology["local_shards"] if topology["peer_id"] == peer]
    there += [s for s in topology["remote_shards"] if s["peer_id"] == peer]
    for shard in there:
        move = {"shard_id": shard["shard_id"], "from_peer_id": peer, "to_peer_id": to}
        asked(node, "POST", path, {"move_shard": move})
    until = time.monotonic() + 20
    while time.monotonic() < until:
        topology = asked(node, "GET", path)
        on = [s["peer_id"] for s in topology["remote_shards"]]
        on += [topology["peer_id"]] * bool(topology["local_shards"])
        if peer not in on and not topology["shard_transfers"]:
            return
        time.sleep(0.05)
    raise AssertionError(topology)


@pytest.mark.parametrize("at", range(3))
def test_a_changed_replication_factor_says_what_it_does_not_do(nodes, project, at):
    project.states({"c": {"vectors": VECTORS, "replication_factor": 1}})
    project.done(nodes[at])
    one_more_replica(nodes[0])
    project.states({"c": {"vectors": VECTORS, "replication_factor": 2}})
    told = project.plan(nodes[at])
    assert told.code == 2
    because = told.field("collection/c", "replication_factor")["because"]
    assert "moves no existing replica" in because
    assert "2 of 3 shards have fewer than 2 replicas" in told.message("QC126")
    project.done(nodes[at])
    project.states({"c": {"vectors": VECTORS, "replication_factor": 1}})
    told = project.plan(nodes[at])
    assert (
        "moves no existing replica" in told.field("collection/c", "replication_factor")["because"]
    )
    assert "QC126" not in told.rules
    project.done(nodes[at])


def one_more_replica(node):
    """Shard 0 of `c` gets a second replica."""
    path = "/collections/c/cluster"
    topology = asked(node, "GET", path)
    here = topology["peer_id"]
    shard = next(s["shard_id"] for s in topology["local_shards"])
    to = next(s["peer_id"] for s in topology["remote_shards"] if s["peer_id"] != here)
    body = {"shard_id": shard, "from_peer_id": here, "to_peer_id": to}
    asked(node, "POST", path, {"replicate_shard": body})
    until = time.monotonic() + 20
    while time.monotonic() < until:
        topology = asked(node, "GET", path)
        states = [s["state"] for s in topology["remote_shards"] if s["shard_id"] == shard]
        if states == ["Active"] and not topology["shard_transfers"]:
            return
        time.sleep(0.05)
    raise AssertionError(topology)


def test_the_versions_of_all_nodes_count(nodes, project):
    """All nodes here run one version; a proxy tells another one of those that it does not ask."""
    project.states({"c": {"vectors": VECTORS}})
    told = project.plan(nodes[0])
    version = nodes[0].request("GET", "/")[1]["version"]
    assert (told.document["server"]["version"], "QC239" in told.rules) == (version, False)
    told_version = b'{"version":"%s"}' % version.encode()

    def change_answer(answered):
        return answered.replace(told_version, b'{"version":"1.15.5"}')

    with proxied(nodes[0].http_port, lambda *_: None) as proxy:
        proxy.change_answer = change_answer
        told = project.plan(proxy.url)
    assert told.document["server"]["version"] == "1.15.5"
    assert f"the nodes run Qdrant 1.15.5 to {version}" in told.message("QC239")
    project.states({"c": {"vectors": VECTORS, "hnsw_config": {"inline_storage": True}}})
    with proxied(nodes[0].http_port, lambda *_: None) as proxy:
        proxy.change_answer = change_answer
        told = project.plan(proxy.url)
    assert "the oldest node is 1.15.5" in told.change("collection/c")["because"]
