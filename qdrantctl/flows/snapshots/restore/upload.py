"""Create a collection from a snapshot: each node's file on its node, then verify the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

from qdrantctl.flows.cluster.nodes import (
    ACTIVE,
    JobContext,
    collection_exists,
    connect_nodes,
    count_shard_points,
    download_snapshot,
    list_replicas,
    list_shard_keys,
    read_topology,
)
from qdrantctl.flows.snapshots import placeholder
from qdrantctl.flows.snapshots.restore.own_disk import recover_from_own_disk
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import ClusterError, DamagedError
from qdrantctl.model.polling import poll
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile, SnapshotRecord
from qdrantctl.model.step import Call, Restore, collection_path

PLACEMENT_TIMEOUT = 120.0
"""Seconds, unless another time is given, within which shards are back on their nodes."""
UPLOAD_PREFIX = "qdrantctl-restore-"
"""Name prefix of the copies that a server keeps of uploaded files."""
READ_BACK_TIMEOUT = 5.0
"""Seconds within which every node reports its current data."""


ByteSource = Callable[[NodeSnapshotFile, NodeClient], Iterator[bytes]]
"""Returns the bytes of a file that is uploaded to a node."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """The source of the files of a snapshot."""

    read: ByteSource | None = None
    """Returns the bytes of an upload; None to download each file from its own node."""
    is_on_servers: bool = True
    """Whether the nodes may have the files on their own disks."""
    is_listed: bool = True
    """Whether a collection with the original name exists, so that its snapshots are listed."""
    needs_own_disk: bool = False
    """Whether they can only be used there: none can be read when the new collection is created,
    because it has the original name."""

    @property
    def may_need_placeholder(self) -> bool:
        """Whether the nodes' own files can be read only with a placeholder."""
        return self.is_on_servers and not (self.is_listed or self.needs_own_disk)


def upload_and_verify(
    step: Restore, record: SnapshotRecord, job: JobContext, source: FileSource
) -> tuple[str, ...]:
    """Create the collection; returns its differences from the snapshot. Raises QdrantctlError."""
    peers = frozenset(file.peer for file in record.files)
    with connect_nodes(job.client, step.nodes, peers, f"snapshot {record.id}") as nodes:
        if source.read is None and source.may_need_placeholder:
            with placeholder.placeholder_on_demand(
                job.client, nodes.values(), record.object_name
            ) as create:
                read = _reader_with_placeholder(record, create)
                _send_all_files(step, record, nodes, job, replace(source, read=read))
        else:
            _send_all_files(step, record, nodes, job, source)
        if job.client.server.peers > 1:
            _place_replicas(step, record, job)
        return poll_until_clean(
            lambda: _differing_files(
                record, {p: count_shard_points(n, step.object_name) for p, n in nodes.items()}
            )
        )


def _send_all_files(
    step: Restore,
    record: SnapshotRecord,
    nodes: Mapping[str, NodeClient],
    job: JobContext,
    source: FileSource,
) -> None:
    """Have every node use its file. Raises QdrantctlError.

    The first file creates the collection. It may take long, so the name is checked again at
    its end.
    """

    def require_unused_name() -> None:
        if collection_exists(job.client, step.object_name):
            raise ClusterError(
                f"{job.client.server.url}: collection/{step.name} was created meanwhile "
                "by another user; it was not changed",
                hint="Stop the process that creates it, and restore again.",
            )

    if record.keys:
        # A server creates no shard keys from a snapshot, and recovers no shard that is missing.
        with job.show_files(step.name, record.files[:1]):
            _send_file(record.files[0], nodes, step, record, job, source, require_unused_name)
        _make_keys(step, record, job.client)
    with job.show_files(step.name, record.files):
        for number, file in enumerate(record.files):
            is_first = not (number or record.keys)
            check = require_unused_name if is_first else lambda: None
            _send_file(file, nodes, step, record, job, source, check)


def poll_until_clean(look: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    """The differences that `look` finds, once there are none or time is up.

    Nodes of a cluster may report outdated data for a moment.
    """
    return poll(
        lambda: tuple(look()), lambda missed: not missed, timeout=READ_BACK_TIMEOUT, interval=0.1
    )


def _send_file(
    file: NodeSnapshotFile,
    nodes: Mapping[str, NodeClient],
    step: Restore,
    record: SnapshotRecord,
    job: JobContext,
    source: FileSource,
    final_check: Callable[[], None],
) -> None:
    """Have a node use its file: from its own disk, else uploaded. Raises QdrantctlError.

    An upload passes through this process, so the server needs no path or URL. With several files
    each applies to its own node only (priority `no_sync`): with `snapshot` a later file would
    recreate the replicas of an earlier one.
    """
    node = nodes[file.peer]
    priority = "snapshot" if len(nodes) == 1 else "no_sync"
    if source.is_on_servers:
        final_check()
        if recover_from_own_disk(node, record.object_name, file, step.object_name, priority):
            return
        if source.needs_own_disk:
            raise placeholder.unreadable_error(record.object_name)
    # A different name: with the original one it would replace the snapshot that it copies.
    name = f"{UPLOAD_PREFIX}{step.snapshot}-{file.peer}.snapshot"
    content = source.read(file, node) if source.read else _download_own_file(file, node, record)
    chunks = _checked_chunks(file, content, step, job, final_check)
    node.upload_snapshot(step.object_name, name, file.checksum, priority, chunks, file.size)
    forget_upload(node, step.object_name, name)


def forget_upload(node: Client, collection: str, name: str) -> None:
    """Delete the copy that the server keeps of an uploaded file."""
    try:
        path = collection_path(collection, "snapshots", name)
        node.request(Call(method="DELETE", path=path, query={"wait": "true"}))
    except ClusterError as error:
        if not error.not_found:
            raise


def _reader_with_placeholder(record: SnapshotRecord, create: Callable[[], None]) -> ByteSource:
    """Downloads each file from its own node, where a placeholder lists it."""

    def read(file: NodeSnapshotFile, node: NodeClient) -> Iterator[bytes]:
        create()
        return _download_own_file(file, node, record)

    return read


def _download_own_file(
    file: NodeSnapshotFile, node: NodeClient, record: SnapshotRecord
) -> Iterator[bytes]:
    """The bytes of a file on its own node. Raises ClusterError."""
    try:
        yield from download_snapshot(node, record.object_name, file.name)
    except ClusterError as error:
        if error.not_found:
            error.hint = (
                "The file was deleted there. `qdrantctl snapshots list` lists all snapshots."
            )
        raise


def _checked_chunks(
    file: NodeSnapshotFile,
    chunks: Iterable[bytes],
    step: Restore,
    job: JobContext,
    final_check: Callable[[], None],
) -> Iterator[bytes]:
    """The bytes of a file. Raises QdrantctlError before the last chunk if the file differs.

    `final_check` runs before the last chunk: without that chunk the server changes nothing.
    """
    digest, length, last_chunk = sha256(), 0, b""
    for piece in job.count_chunks(chunks, step.name, file):
        digest.update(piece)
        length += len(piece)
        if length <= file.size:
            yield last_chunk
            last_chunk = piece
    if (length, digest.hexdigest()) != (file.size, file.checksum):
        raise DamagedError(
            f"the file {file.name} of node {file.peer} is no longer what was taken",
            why=f"It has {length:,} bytes with sha256 {digest.hexdigest()}; {file.size:,} bytes "
            f"with {file.checksum} were taken.",
            hint="It is damaged or was changed, and was not restored.",
        )
    final_check()
    yield last_chunk


def _make_keys(step: Restore, record: SnapshotRecord, client: Client) -> None:
    """Create the shard keys, so that each shard gets its number from the snapshot.

    The server assigns ascending numbers and does not reuse gaps. So for a key that was dropped
    before the snapshot, a temporary key fills the gap until all keys exist.
    """
    existing = list_shard_keys(read_topology(client, step.object_name))
    path, coming = collection_path(step.object_name, "shards"), 1
    for key, shards in record.keys:
        gap = shards[0] - coming
        for name, count in ((f"qdrantctl-gap-{coming}", gap), (key, len(shards))):
            if count > 0 and name not in existing:
                body = {"shard_key": name, "shards_number": count}
                client.request(Call(method="PUT", path=path, body=body))
        coming = shards[-1] + 1
    expected = dict(record.keys)
    for key in list_shard_keys(read_topology(client, step.object_name)):
        if key not in expected:
            path = collection_path(step.object_name, "shards", "delete")
            client.request(Call(method="POST", path=path, body={"shard_key": key}))


@dataclass(frozen=True, slots=True)
class Placement:
    """The replicas of a collection, each as shard and node."""

    all: frozenset[tuple[int, str]]
    active: frozenset[tuple[int, str]]
    is_moving: bool
    """Whether shards are being transferred."""


def _place_replicas(step: Restore, record: SnapshotRecord, job: JobContext) -> None:
    """Drop the empty replicas that the server created on other nodes. Raises QdrantctlError.

    The server places the shards of a new collection without regard to their former nodes.
    """
    expected = record.replicas

    def place() -> Placement:
        topology = read_topology(job.client, step.object_name)
        states = {(shard, peer): state for shard, peer, state in list_replicas(topology)}
        active = frozenset(replica for replica, state in states.items() if state == ACTIVE)
        placement = Placement(frozenset(states), active, bool(topology["shard_transfers"]))
        for shard, peer in placement.all - expected:
            if all(replica in active for replica in expected if replica[0] == shard):
                _drop_replica(step.object_name, shard, peer, job.client)
        return placement

    def is_settled(placement: Placement) -> bool:
        return placement == Placement(expected, expected, is_moving=False)

    timeout = PLACEMENT_TIMEOUT if job.wait_timeout is None else job.wait_timeout
    job.report_progress(f"collection/{step.name}: waiting up to {timeout:g} s for its shards")
    result = poll(place, is_settled, timeout=timeout, interval=0.1, is_cancelled=job.is_cancelled)
    if is_settled(result):
        return
    job.raise_if_cancelled()
    raise ClusterError(
        f"{job.client.server.url}: the shards of {step.name} were not on their nodes "
        f"after {timeout:g} s",
        why=f"Not active on their former node: {sorted(expected - result.active)}; "
        f"on other nodes: {sorted(result.all - expected)} (shard, node).",
        hint="Restore again when every node is up, with --wait-timeout SECONDS to wait longer.",
    )


def _drop_replica(collection: str, shard: int, peer: str, client: Client) -> None:
    """Drop a replica. Errors are ignored: the next poll shows whether it is gone."""
    body = {"drop_replica": {"shard_id": shard, "peer_id": int(peer)}}
    with suppress(ClusterError):
        client.request(Call(method="POST", path=collection_path(collection, "cluster"), body=body))


def _differing_files(
    record: SnapshotRecord, counts_by_node: Mapping[str, Mapping[int, int]]
) -> Iterator[str]:
    """Missing shards, and shards with other points if none were written during the snapshot."""
    for file in record.files:
        for shard, counts in file.shards.items():
            now = counts_by_node[file.peer].get(shard)
            low, high = sorted(counts)
            if now is None or (record.quiet and not low <= now <= high):
                were = f"{low}" if low == high else f"{low} to {high}"
                yield f"shard {shard} on node {file.peer} (had {were} points, has {now or 0})"
