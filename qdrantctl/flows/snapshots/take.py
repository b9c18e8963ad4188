"""Take a snapshot before points are destroyed: on every node, read back and recorded."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
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
from qdrantctl.flows.snapshots.writes import count_writes
from qdrantctl.flows.state.live import read_collection, read_live
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, NodeClient, ReadRequest
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import ABSENT, json_equal
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile, SnapshotRecord
from qdrantctl.model.step import Call, Snapshot, collection_path

SECOND = 1.0

_TIME = re.compile(r"-(\d{4}(?:-\d\d){5})\.snapshot$")


def take_safety_snapshot(
    step: Snapshot, progress: ChangeProgress, context: ExecutionContext
) -> None:
    """The performer of `Snapshot`, before points are destroyed. Raises QdrantctlError."""
    address = Address("collection", step.collection)
    live = context.live.get(address)
    if step.object:
        live = read_collection(context.client, address, step.object)
    if live:
        progress.snapshot = _take_snapshot(step, live, context.job)
        progress.restore_point = progress.snapshot.id


def _take_snapshot(step: Snapshot, live: Resource, job: JobContext) -> SnapshotRecord:
    """Take a snapshot on every node that holds shards, and verify it. Raises QdrantctlError."""
    topology = read_topology(job.client, live.object_name)
    holders = frozenset(peer for _, peer, _ in list_replicas(topology))
    with connect_nodes(job.client, step.nodes, holders, f"snapshot of {step.collection}") as nodes:
        writes = count_writes(nodes.values(), job.client.server.peers)
        record = create_node_snapshots(live, topology, nodes, job)
        record = with_writes(record, writes, nodes.values(), job.client)
        job.report_progress(f"collection/{step.collection}: reading the snapshot back")
        with job.show_files(step.collection, record.files):
            files = [_read_back(f, nodes[f.peer], record, job) for f in record.files]
        return record.model_copy(update={"files": tuple(files)})


def with_writes(
    taken: SnapshotRecord, writes: int | None, nodes: Collection[NodeClient], client: Client
) -> SnapshotRecord:
    """The record with what changed since `writes` were counted. Raises ClusterError."""
    address = Address("collection", taken.collection)
    only = frozenset({address})
    names = ObjectNames.of({address: taken.object_name})
    request = ReadRequest(Inventory(), Inventory(), details=only, only=only, names=names)
    live = read_live(client, request).get(address)
    settings = live.spec if live else {}
    unsettled = {
        word
        for word in {*settings, *taken.spec}
        if not json_equal(settings.get(word), taken.spec.get(word))
    }
    is_quiet = writes is not None and writes == count_writes(nodes, client.server.peers)
    return taken.model_copy(update={"quiet": is_quiet, "unsettled": tuple(sorted(unsettled))})


def create_node_snapshots(
    live: Resource,
    topology: Mapping[str, Any],
    nodes: Mapping[str, NodeClient],
    job: JobContext,
) -> SnapshotRecord:
    """Take a snapshot on each node that holds shards, without reading it back.

    `topology` lists these nodes. A collection with shard keys may have no shard yet: then every
    node takes one. Raises QdrantctlError.
    """
    if live.facts.hidden_by:
        raise ClusterError(
            f"{live.address} is hidden by an alias that leads to {live.facts.hidden_by}: "
            "a snapshot by its name would be of that collection",
            hint="`qdrantctl plan` names the way out (QC224).",
        )
    holders = {peer for _, peer, _ in list_replicas(topology)} or nodes.keys()
    files = tuple(_node_file(peer, nodes[peer], live, job) for peer in sorted(holders))
    expected_shards = {shard for shard, _, _ in list_replicas(topology)}
    if missing := expected_shards - {shard for file in files for shard in file.shards}:
        raise ClusterError(
            f"{job.client.server.url}: no replica of shard {min(missing)} of {live.object_name} is "
            "active, so no snapshot holds it",
            hint="Check that every node is up and its replicas are active.",
        )
    match = _TIME.search(files[0].name)
    return SnapshotRecord(
        id=match[1] if match else f"{job.client.server_time:%Y-%m-%d-%H-%M-%S}",
        collection=live.address.name,
        object=live.facts.object or ABSENT,
        server=str(job.client.server.version),
        aliases=live.facts.aliases,
        spec=live.spec,
        keys=_shard_keys_of(topology),
        files=files,
    )


def _shard_keys_of(topology: Mapping[str, Any]) -> tuple[tuple[str | int, tuple[int, ...]], ...]:
    """Shard keys with their shards, in the order in which the shards were created."""
    shards_by_key: dict[str | int, set[int]] = defaultdict(set)
    for shard in (*topology["local_shards"], *topology["remote_shards"]):
        if (key := shard.get("shard_key")) is not None:
            shards_by_key[key].add(shard["shard_id"])
    created = ((key, tuple(sorted(shards))) for key, shards in shards_by_key.items())
    return tuple(sorted(created, key=lambda entry: entry[1]))


def _wait_for_unused_name(node: NodeClient, collection: str) -> None:
    """Wait until the next snapshot gets a new name: names have a resolution of one second."""
    times = [
        match[1] for name in list_node_snapshots(node, collection) if (match := _TIME.search(name))
    ]
    if any(created >= f"{node.server_time:%Y-%m-%d-%H-%M-%S}" for created in times):
        time.sleep(SECOND)


def _node_file(peer: str, node: NodeClient, live: Resource, job: JobContext) -> NodeSnapshotFile:
    """Take one node's snapshot, described as its server reports it."""
    job.report_progress(f"{live.address}: taking a snapshot on {node.server.url}")
    collection = live.object_name
    _wait_for_unused_name(node, collection)
    before = count_shard_points(node, collection)
    path = collection_path(collection, "snapshots")
    created = node.request(Call(method="POST", path=path, query={"wait": "true"}))
    after = count_shard_points(node, collection)
    shards = {shard: (before[shard], count) for shard, count in after.items() if shard in before}
    return NodeSnapshotFile(
        peer=peer,
        name=str(created["name"]),
        size=int(created["size"]),
        # A server that stores snapshots in object storage reports no checksum.
        checksum=str(created.get("checksum") or ""),
        shards=shards,
    )


def _read_back(
    file: NodeSnapshotFile, node: NodeClient, record: SnapshotRecord, job: JobContext
) -> NodeSnapshotFile:
    """The file with its checksum, computed by downloading all of it. Raises ClusterError."""
    name, size, collection = file.name, file.size, record.object_name
    listed = list_node_snapshots(node, collection).get(name, {})
    call = Call(method="GET", path=collection_path(collection, "snapshots", name))
    checksum, length = sha256(), 0
    for chunk in job.count_chunks(node.download(call), record.collection, file):
        checksum.update(chunk)
        length += len(chunk)
    digest = checksum.hexdigest()
    checksums = {reported or digest for reported in (file.checksum, listed.get("checksum"))}
    if not listed or {size, int(listed["size"])} != {length} or checksums != {digest}:
        raise ClusterError(
            f"{node.server.url}: the snapshot {name} differs from what the server reported",
            why=f"{length:,} bytes with sha256 {digest} were read back, {size:,} bytes with "
            f"{file.checksum} were reported.",
            hint="Check the disk and the log of that node.",
        )
    return file.model_copy(update={"checksum": digest})
