"""A cluster of three with a node down: what is known is planned, what is not known is said."""

import time
from contextlib import contextmanager

import pytest

from tests.support.project import VECTORS, asked, config, record, upsert
from tests.support.proxy import proxied

UP_AGAIN = 30.0
SPREAD = {"vectors": VECTORS, "shard_number": 3, "payload_indexes": {"a": "keyword"}}
SAFE = SPREAD | {"replication_factor": 2}


def peer(node):
    return asked(node, "GET", "/cluster")["peer_id"]


def leader(node):
    return asked(node, "GET", "/cluster")["raft_info"]["leader"]


def wait(what, until=UP_AGAIN):
    until += time.monotonic()
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def up_again(nodes, number):
    """Start a stopped node, and wait until every node is ready and every replica is active."""
    nodes[number].start()
    listed = [c["name"] for c in asked(nodes[0], "GET", "/collections")["collections"]]
    # A lease that was being given back may still be listed, and goes now.
    names = [name for name in listed if not name.startswith("_qdrantctl_lease")]

    def whole():
        rafts = [asked(node, "GET", "/cluster")["raft_info"] for node in nodes]
        if len({raft["commit"] for raft in rafts}) > 1 or any(
            raft["pending_operations"] for raft in rafts
        ):
            return False  # a node that was away has not caught up: it would list what is gone
        for node in nodes:
            if node.request("GET", "/collections")[1]["result"] is None:
                return False
            for name in names:
                status, answer = node.request("GET", f"/collections/{name}/cluster")
                if status != 200 or node.request("GET", f"/collections/{name}")[0] != 200:
                    return False
                shards = answer["result"]["local_shards"] + answer["result"]["remote_shards"]
                if any(shard["state"] != "Active" for shard in shards):
                    return False
        return True

    wait(whole)


@contextmanager
def down(nodes, number):
    """The other two, once they follow a leader among themselves."""
    gone = peer(nodes[number])
    nodes[number].stop()
    others = [node for node in nodes if node is not nodes[number]]
    try:
        wait(lambda: all(leader(node) not in (gone, 0, None) for node in others))
        yield others
    finally:
        if nodes[number].process.poll() is not None:
            up_again(nodes, number)


@pytest.mark.parametrize("gone", range(3))
def test_the_ledger_is_read_and_written(nodes, project, gone):
    """Whichever node is down, through each of the others; the third one learns it afterwards."""
    project.states({"safe": SAFE})
    project.done(nodes[0])
    with down(nodes, gone) as others:
        for number, node in enumerate(others):
            hnsw = {"m": 20 + number}
            project.states({"safe": SAFE | {"hnsw_config": hnsw}})
            told = project.done(node)
            assert told.document["outcomes"][0]["status"] == "done"
            for other in others:
                assert record(other, "collection/safe")["spec"]["hnsw_config"] == hnsw
    wait(lambda: project.plan(nodes[gone]).code == 0, 2)
    assert record(nodes[gone], "collection/safe")["spec"]["hnsw_config"] == hnsw


def test_what_is_not_known_is_said_and_left_alone(nodes, project):
    project.states({"spread": SPREAD, "safe": SAFE}, {"live": "safe"})
    project.done(nodes[0])
    for name in ("spread", "safe"):
        upsert(nodes[0], name)
    with down(nodes, 2) as others:
        told = project.plan(others[0])
        assert told.code == 0, told.out + told.err
        warned = [v for v in told.document["violations"] if v["rule"] == "QC128"]
        assert [v["address"] for v in warned] == ["collection/spread"]
        assert "indexes and points cannot be read" in warned[0]["message"]

        spread, safe = SPREAD | {"metadata": {"a": 1}}, SAFE | {"hnsw_config": {"m": 32}}
        project.states({"spread": spread, "safe": safe}, {"live": "safe", "new": "spread"})
        told = project.apply(others[1])
        assert told.code == 0, told.out + told.err
        assert "pending" not in record(others[0], "collection/spread")

        spread = spread | {"payload_indexes": {"a": "keyword", "b": "integer"}}
        safe = safe | {"metadata": {"a": 1}}
        project.states({"spread": spread, "safe": safe}, {"live": "spread", "new": "spread"})
        told = project.plan(others[0])
        assert told.code == 3
        assert "not known while a node is down" in told.change("collection/spread")["because"]
        assert "which is unreadable" in told.message("QC206")
        excluded = ("--exclude", "collection/spread", "--exclude", "alias/live")
        told = project.apply(others[0], *excluded)
        assert told.code == 0, told.out + told.err
    wait(lambda: project.plan(nodes[2]).code == 2, 2)
    project.done(nodes[2], "--allow-alias", "alias/live")
    for node in nodes:
        info = asked(node, "GET", "/collections/spread")
        assert (info["points_count"], set(info["payload_schema"])) == (3, {"a", "b"})
        assert record(node, "collection/spread")["observed"]["metadata"] == {"a": 1}


def test_points_that_cannot_be_counted_need_consent(nodes, project):
    project.states({"old": SPREAD, "other": SPREAD})
    project.done(nodes[0])
    with down(nodes, 1) as others:
        replaced = SPREAD | {"vectors": {"size": 8, "distance": "Dot"}}
        lifecycle = {"replace": "recreate"}
        project.states({"other": {"spec": replaced, "lifecycle": lifecycle}})
        told = project.plan(others[0])
        assert told.code == 3
        unknown = "its points (their number is unknown: Service internal error: "
        assert unknown in told.message("QC202")
        assert unknown in told.message("QC203")
        assert project.apply(others[0]).code == 3
        project.states({"other": SPREAD})
        allowed = ("--allow-delete", "collection/old")
        assert "has shards on 3 nodes" in project.plan(others[1], *allowed).message("QC215")
        told = project.apply(others[1], *allowed, "--no-safety-snapshot", "collection/old")
        assert told.code == 0, told.out + told.err
        assert others[0].request("GET", "/collections/old")[0] == 404
    assert project.plan(nodes[0]).code == 0


def test_what_is_created_while_a_node_is_down_is_finished_later(nodes, project, monkeypatch):
    """Creation waits ten seconds for the dead node; an index on its shard fails."""
    monkeypatch.setattr("qdrantctl.flows.execution.read_back.CONVERGENCE_TIMEOUT", 0.1)
    project.states({"first": SAFE})
    project.done(nodes[0])
    with down(nodes, 0) as others:
        project.states({"first": SAFE, "late": SPREAD})
        told = project.apply(others[0])
        assert told.code == 6, told.out + told.err
        late = next(o for o in told.document["outcomes"] if o["address"] == "collection/late")
        assert late["status"] == "failed"
        assert "PUT /collections/late/index" in late["error"]
        assert late["missed"] == [
            'payload_indexes.a (requested {"type":"keyword"}, cannot be read)'
        ]
        assert record(others[1], "collection/late")["pending"]["action"] == "create"
        told = project.plan(others[1])
        assert told.code == 3
        assert "not known while a node is down" in told.change("collection/late")["because"]
    told = project.plan(nodes[0])
    assert told.code == 2
    assert told.change("collection/late")["action"] in ("adopt", "update")
    project.done(nodes[0])
    now = record(nodes[2], "collection/late")
    assert "pending" not in now
    assert "a" in now["spec"]["payload_indexes"]


def test_a_node_that_dies_while_an_index_is_made(nodes, project):
    project.states({"c": SPREAD})
    project.done(nodes[0])
    project.states({"c": SPREAD | {"payload_indexes": {"a": "keyword", "b": "integer"}}})
    first = [peer(node) for node in nodes].index(leader(nodes[0]))
    at, gone = nodes[first], (first + 1) % 3

    def deadly(_, head):
        if head.startswith(b"PUT /collections/c/index"):
            nodes[gone].stop()
        return

    with proxied(at.http_port, deadly) as proxy:
        told = project.apply(proxy.url)
    assert told.code == 6, told.out + told.err
    outcome = told.document["outcomes"][0]
    assert outcome["status"] == "failed"
    assert "PUT /collections/c/index" in outcome["error"]
    now = record(at, "collection/c")
    assert "b" in now["pending"]["spec"]["payload_indexes"]
    assert "b" not in now["spec"]["payload_indexes"]
    up_again(nodes, gone)
    project.done(nodes[gone])
    assert "pending" not in record(at, "collection/c")
    for node in nodes:
        assert set(asked(node, "GET", "/collections/c")["payload_schema"]) == {"a", "b"}


def test_a_leader_that_dies_under_a_change(nodes, project):
    """No answer comes for ten seconds, and the change may be made later all the same."""
    project.states({"c": SAFE})
    project.done(nodes[0])
    project.states({"c": SAFE | {"hnsw_config": {"m": 32}}})
    gone = [peer(node) for node in nodes].index(leader(nodes[0]))
    at = nodes[(gone + 1) % 3]

    def deadly(_, head):
        if head.startswith(b"PATCH /collections/c"):
            nodes[gone].stop()
        return

    with proxied(at.http_port, deadly) as proxy:
        told = project.apply(proxy.url)
    shown = config(at, "c")["hnsw_config"]["m"]
    if told.code == 0:
        assert shown == 32
    else:
        assert told.code == 6, told.out + told.err
        outcome = told.document["outcomes"][0]
        assert outcome["status"] == "failed"
        assert "may have taken effect, even later" in outcome["error"]
        assert "pending" in record(at, "collection/c")
    up_again(nodes, gone)
    project.done(nodes[gone])
    assert config(nodes[gone], "c")["hnsw_config"]["m"] == 32


def test_without_a_majority_nothing_is_done(nodes, project):
    """One node of three still tells what it knows, and no lease can be had."""
    spec = SAFE | {"replication_factor": 3}
    project.states({"c": spec})
    project.done(nodes[0])
    nodes[1].stop()
    nodes[2].stop()
    assert project.plan(nodes[0]).code == 0
    project.states({"c": spec | {"metadata": {"a": 1}}})
    told = project.apply(nodes[0])
    assert told.code == 1, told.out + told.err
    assert "PUT /collections/_qdrantctl_lease.shop.dev.1 answered 500" in told.err
    assert "If _qdrantctl_lease.shop.dev.1 appears later" in told.err
    nodes[1].start()
    up_again(nodes, 2)
    assert "metadata" not in config(nodes[0], "c")
    for node in nodes:
        assert project.plan(node).code == 2
    told = project.apply(nodes[1])
    if told.code == 5:  # what no majority took was taken once there was one
        broken = project.run(nodes[1], "lease", "break", "1", "--auto-approve")
        assert broken.code == 0, broken.err
        told = project.apply(nodes[1])
    assert told.code == 0, told.err
    for node in nodes:
        assert record(node, "collection/c")["spec"]["metadata"] == {"a": 1}
