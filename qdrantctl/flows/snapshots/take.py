"""Taking the snapshot before points are destroyed: on every node, read back, and kept."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from qdrantctl.flows.cluster.nodes import (
    JobContext,
    connect_nodes,
    count_shard_points,
    list_node_snapshots,
    list_replicas,
    read_topology,
)
from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.resource import Resource
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile, SnapshotRecord
from qdrantctl.model.step import Call, Snapshot, collection_path

SECOND = 1.0

_TIME = re.compile(r"-(\d{4}(?:-\d\d){5})\.snapshot$")


def take_safety_snapshot(
    step: Snapshot, progress: ChangeProgress, context: ExecutionContext
) -> None:
    """The performer of `Snapshot`, before points are destroyed. Raises QdrantctlError."""
    if live := context.live.get(Address("collection", step.collection)):
        progress.snapshot = _take_snapshot(step, live, context.job)
        progress.restore_point = progress.snapshot.id


def _take_snapshot(step: Snapshot, live: Resource, work: JobContext) -> SnapshotRecord:
    """A snapshot on every node that holds shards. Raises QdrantctlError; nothing was destroyed."""
    told = read_topology(work.door, step.collection)
    holders = frozenset(peer for _, peer, _ in list_replicas(told))
    with connect_nodes(work.door, step.nodes, holders, f"snapshot of {step.collection}") as nodes:
        taken = create_node_snapshots(step.collection, live, told, nodes, work)
        work.say(f"collection/{step.collection}: reading the snapshot back")
        with work.show_files(step.collection, taken.files):
            files = [_read_back(f, nodes[f.peer], step.collection, work) for f in taken.files]
        return taken.model_copy(update={"files": tuple(files)})


def create_node_snapshots(
    collection: str,
    live: Resource,
    told: Mapping[str, Any],
    nodes: Mapping[str, NodeClient],
    work: JobContext,
) -> SnapshotRecord:
    """A snapshot on each node that holds shards, not yet read. Raises QdrantctlError.

    `told` says which do. A collection with shard keys may have no shard yet: then all have a part.
    """
    holders = {peer for _, peer, _ in list_replicas(told)} or nodes.keys()
    files = tuple(_node_file(peer, nodes[peer], collection, work) for peer in sorted(holders))
    wanted = {shard for shard, _, _ in list_replicas(told)}
    if missing := wanted - {shard for file in files for shard in file.shards}:
        raise ClusterError(
            f"{work.door.server.url}: no replica of shard {min(missing)} of {collection} is "
            "active, so no snapshot holds it",
            hint="See that every node is up and its replicas are active.",
        )
    found = _TIME.search(files[0].name)
    return SnapshotRecord(
        id=found[1] if found else files[0].name,
        collection=collection,
        server=str(work.door.server.version),
        aliases=live.facts.aliases,
        spec=live.spec,
        keys=_shard_keys_of(told),
        files=files,
    )


def _shard_keys_of(told: Mapping[str, Any]) -> tuple[tuple[str | int, tuple[int, ...]], ...]:
    """Shard keys with their shards, in the order in which the shards were made."""
    found: dict[str | int, set[int]] = defaultdict(set)
    for shard in (*told["local_shards"], *told["remote_shards"]):
        if (key := shard.get("shard_key")) is not None:
            found[key].add(shard["shard_id"])
    made = ((key, tuple(sorted(shards))) for key, shards in found.items())
    return tuple(sorted(made, key=lambda entry: entry[1]))


def _of_its_own_second(node: NodeClient, collection: str) -> None:
    """A snapshot is named after its second, and would take the place of one of the same."""
    times = [
        found[1] for name in list_node_snapshots(node, collection) if (found := _TIME.search(name))
    ]
    if any(made >= f"{node.server_time:%Y-%m-%d-%H-%M-%S}" for made in times):
        time.sleep(SECOND)


def _node_file(peer: str, node: NodeClient, collection: str, work: JobContext) -> NodeSnapshotFile:
    """One node's part, as the server tells of it."""
    work.say(f"collection/{collection}: taking a snapshot on {node.server.url}")
    _of_its_own_second(node, collection)
    before = count_shard_points(node, collection)
    path = collection_path(collection, "snapshots")
    made = node.request(Call(method="POST", path=path, query={"wait": "true"}))
    after = count_shard_points(node, collection)
    shards = {shard: (before.get(shard, count), count) for shard, count in after.items()}
    return NodeSnapshotFile(
        peer=peer,
        name=str(made["name"]),
        size=int(made["size"]),
        # Object storage tells none.
        checksum=str(made.get("checksum") or ""),
        shards=shards,
    )


def _read_back(
    file: NodeSnapshotFile, node: NodeClient, collection: str, work: JobContext
) -> NodeSnapshotFile:
    """The file with its checksum. The server's word is not taken for it: it is read back whole."""
    name, size = file.name, file.size
    listed = list_node_snapshots(node, collection).get(name, {})
    call = Call(method="GET", path=collection_path(collection, "snapshots", name))
    checksum, length = sha256(), 0
    for piece in work.count_chunks(node.download(call), collection, file):
        checksum.update(piece)
        length += len(piece)
    found = checksum.hexdigest()
    told = {checksum or found for checksum in (file.checksum, listed.get("checksum"))}
    if not listed or {size, int(listed["size"])} != {length} or told != {found}:
        raise ClusterError(
            f"{node.server.url}: the snapshot {name} is not what the server says it wrote",
            why=f"{length:,} bytes with sha256 {found} were read back, {size:,} bytes with "
            f"{file.checksum} were written.",
            hint="Look at the disk and the log of that node.",
        )
    return file.model_copy(update={"checksum": found})
