"""After a cluster has grown, the ledger and the registry of keys are on too few of its nodes."""

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.flows.cluster.internal_replicas import create_replica
from qdrantctl.model.step import Call
from tests.cluster.test_one_node_down import down
from tests.support.project import VECTORS, asked, config

LEDGER, REGISTRY = "_qdrantctl", "_qdrantctl_keys"
SAFE = {"vectors": VECTORS, "replication_factor": 3}


def replicas(node, name):
    """The state of every replica, by peer."""
    found = asked(node, "GET", f"/collections/{name}/cluster")
    local = [{"peer_id": found["peer_id"], **shard} for shard in found["local_shards"]]
    return {shard["peer_id"]: shard["state"] for shard in (*local, *found["remote_shards"])}


def left_on_one_node(nodes, name):
    """What a collection looks like that was created when the cluster had one node."""
    first, *others = sorted(replicas(nodes[0], name))
    for peer in others:
        body = {"drop_replica": {"shard_id": 0, "peer_id": peer}}
        asked(nodes[0], "POST", f"/collections/{name}/cluster", body)
    params = {"replication_factor": 1, "write_consistency_factor": 1}
    asked(nodes[0], "PATCH", f"/collections/{name}", {"params": params})
    assert list(replicas(nodes[0], name)) == [first]


def test_missing_replicas_are_planned_and_created(nodes, project):
    project.states({"c": SAFE})
    project.done(nodes[0])
    left_on_one_node(nodes, LEDGER)
    told = project.plan(nodes[1])
    assert told.code == 2
    assert len(told.document["prepare"]) == 3
    shown = project.run(nodes[1], "plan")
    assert "2 replicas of the ledger (collection _qdrantctl) will be created" in shown.out
    assert "No changes of resources. Apply creates the missing replicas." in shown.out
    saved = str(project.folder / "plan.json")
    project.plan(nodes[2], "--out", saved)
    project.states({"c": SAFE, "d": SAFE})
    project.done(nodes[2])
    assert list(replicas(nodes[0], LEDGER).values()) == ["Active"] * 3
    params = config(nodes[0], LEDGER)["params"]
    assert (params["replication_factor"], params["write_consistency_factor"]) == (3, 2)
    assert project.run(nodes[1], "apply", saved).code == 0  # they exist: nothing is sent twice
    assert list(replicas(nodes[0], LEDGER).values()) == ["Active"] * 3


def test_a_node_that_holds_a_replica_is_never_sent_another(nodes, project):
    """The server would take the healthy one out of service, and transfer it again."""
    project.states({"c": SAFE})
    project.done(nodes[0])
    source, holder, *_ = sorted(replicas(nodes[0], LEDGER))
    body = {"shard_id": 0, "from_peer_id": source, "to_peer_id": holder}
    path = f"/collections/{LEDGER}/cluster"
    sent = []
    with RestClient(Endpoint(nodes[0].url), on_call=lambda call, *_: sent.append(call)) as client:
        create_replica(client, Call(method="POST", path=path, body={"replicate_shard": body}))
    assert sent
    assert not any(call.writes for call in sent)


def test_the_registry_of_keys_is_on_every_node(nodes, project):
    project.states({"c": SAFE})
    project.done(nodes[0])
    body = {"vectors": {}, "shard_number": 1, "replication_factor": 3}
    asked(nodes[0], "PUT", f"/collections/{REGISTRY}", body)
    left_on_one_node(nodes, REGISTRY)
    project.done(nodes[0])
    assert list(replicas(nodes[0], REGISTRY).values()) == ["Active"] * 3


def test_a_node_that_is_down_gets_none_and_stops_nothing(nodes, project):
    """The url is that of the node that is down: those under `nodes` are used in its place."""
    project.names(nodes)
    project.states({"c": SAFE})
    project.done(nodes[0])
    ledger_on = sorted(replicas(nodes[0], LEDGER))[0]
    left_on_one_node(nodes, LEDGER)
    peers = [asked(node, "GET", "/cluster")["peer_id"] for node in nodes]
    gone = next(number for number, peer in enumerate(peers) if peer != ledger_on)
    with down(nodes, gone):
        for command in (["plan"], ["drift"], ["show", "collection/c"]):
            told = project.run(nodes[gone], *command)
            assert told.code == 0, told.out + told.err
        project.states({"c": SAFE | {"hnsw_config": {"m": 20}}})
        told = project.apply(nodes[gone])
        assert told.code == 0, told.out + told.err
        assert len(replicas(nodes[peers.index(ledger_on)], LEDGER)) == 2
    for _ in range(40):
        told = project.apply(nodes[gone])
        if list(replicas(nodes[0], LEDGER).values()) == ["Active"] * 3:
            break
    assert list(replicas(nodes[gone], LEDGER).values()) == ["Active"] * 3
    assert project.plan(nodes[gone]).code == 0
