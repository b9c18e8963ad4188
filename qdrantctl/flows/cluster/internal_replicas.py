"""Replicas of the collections that are reserved for qdrantctl, after a cluster has grown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qdrantctl.adapters.qdrant import internal_collection, ledger
from qdrantctl.flows.cluster.nodes import ACTIVE, list_replicas, read_topology
from qdrantctl.model.access_keys.generation import REGISTRY_COLLECTION
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path

TRANSFER_TIMEOUT = 60.0
"""Seconds that the transfer of one replica may take: these collections are small."""


def list_missing_replicas(client: Client) -> Iterator[Call]:
    """The requests that create missing replicas of the ledger and of the registry of keys.

    Nodes that the cluster does not reach get none. Raises ClusterError.
    """
    if client.server.peers == 1:
        return
    cluster = client.request(Call(method="GET", path="/cluster"))
    unreachable = cluster.get("message_send_failures") or {}
    members = {
        peer: node.get("uri") not in unreachable for peer, node in cluster.get("peers", {}).items()
    }
    for name, everywhere in ((ledger.LEDGER_COLLECTION, False), (REGISTRY_COLLECTION, True)):
        path = collection_path(name, "exists")
        if client.request(Call(method="GET", path=path))["exists"]:
            wanted = internal_collection.replica_count(client.server, everywhere=everywhere)
            yield from _replicate(name, read_topology(client, name), members, wanted)


def is_replica_request(call: Call) -> bool:
    """Whether a request creates a replica."""
    return isinstance(call.body, Mapping) and "replicate_shard" in call.body


def create_replica(client: Client, call: Call) -> None:
    """Send the request for a replica, unless it exists, and wait for it. Raises ClusterError."""
    assert isinstance(call.body, Mapping)
    request: Mapping[str, Json] = call.body["replicate_shard"]
    name = call.path.split("/")[2]
    replica = (request["shard_id"], str(request["to_peer_id"]))

    def read_state() -> str:
        topology = read_topology(client, name)
        states = {(shard, peer): state for shard, peer, state in list_replicas(topology)}
        state = states.get(replica, "")
        return state if state != ACTIVE or not topology.get("shard_transfers") else "Transfer"

    if not read_state():
        client.request(call)
    state = poll(read_state, lambda state: state == ACTIVE, timeout=TRANSFER_TIMEOUT)
    if state != ACTIVE:
        raise ClusterError(
            f"{client.server.url}: the replica of {name} on node {replica[1]} is not active after "
            f"{TRANSFER_TIMEOUT:.0f} seconds",
            hint="Check that the node is up; the next apply creates it.",
        )


def _replicate(
    name: str, topology: Mapping[str, Any], members: Mapping[str, bool], wanted: int
) -> Iterator[Call]:
    """The requests for the missing replicas, and for the settings that fit their number."""
    shards: dict[int, dict[str, str]] = {}
    for shard, peer, state in list_replicas(topology):
        shards.setdefault(shard, {})[peer] = state
    calls = [
        Call(
            method="POST",
            path=collection_path(name, "cluster"),
            body={
                "replicate_shard": {
                    "shard_id": shard,
                    "from_peer_id": int(sources[0]),
                    "to_peer_id": int(peer),
                }
            },
        )
        for shard, replicas in sorted(shards.items())
        if (sources := sorted(p for p, s in replicas.items() if s == ACTIVE and members.get(p)))
        for peer in sorted(p for p, is_up in members.items() if is_up and p not in replicas)[
            : max(0, wanted - len(replicas))
        ]
    ]
    yield from calls
    if calls:
        params = internal_collection.replica_settings(wanted)
        yield Call(method="PATCH", path=collection_path(name), body={"params": params})
