"""Making a collection of a snapshot: each node's file on that node, then seen to be what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
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
from qdrantctl.flows.snapshots import placeholder as stand_in
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import ClusterError, DamagedError
from qdrantctl.model.polling import poll
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile, SnapshotRecord
from qdrantctl.model.step import Call, Restore, collection_path

SETTLES = 120.0
"""Seconds within which the shards of a cluster are where they were."""
UPLOADED = "qdrantctl-restore-"
"""How the copies begin that a server keeps of what is sent to it."""
SHOWN = 5.0
"""Seconds within which every node shows what it has."""


ByteSource = Callable[[NodeSnapshotFile, NodeClient], Iterator[bytes]]
"""Where the bytes of a file come from that is sent to a node."""


def upload_and_verify(
    step: Restore,
    record: SnapshotRecord,
    job: JobContext,
    *,
    listed: bool,
    source: ByteSource | None = None,
) -> tuple[str, ...]:
    """Make the collection; what is not as it was. Raises QdrantctlError.

    Without a `source` each node's own files are taken. `listed` says that a collection of the old
    name exists, and with it the list of its snapshots.
    """

    def own(file: NodeSnapshotFile, node: NodeClient) -> Iterator[bytes]:
        return _download_own_file(file, node, step)

    peers = frozenset(file.peer for file in record.files)
    with connect_nodes(job.client, step.nodes, peers, f"snapshot {record.id}") as nodes:
        if source is None and not listed and stand_in.placeholder_needed(job.client.server):
            with stand_in.placeholder_collection(job.client, nodes.values(), step.collection):
                _all_sent(step, record, nodes, job, own)
        else:
            _all_sent(step, record, nodes, job, source or own)
        if job.client.server.peers > 1:
            _place_replicas(step, record, job)
        return poll_until_clean(
            lambda: _differing_files(
                record, {p: count_shard_points(n, step.name) for p, n in nodes.items()}
            )
        )


def verify_source_files(
    step: Restore, record: SnapshotRecord, job: JobContext, source: ByteSource | None
) -> None:
    """Read every file once and compare it with what was taken. Raises QdrantctlError."""
    peers = frozenset(file.peer for file in record.files)
    with (
        connect_nodes(job.client, step.nodes, peers, f"snapshot {record.id}") as nodes,
        job.show_files(step.name, record.files),
    ):
        for file in record.files:
            node = nodes[file.peer]
            chunks = source(file, node) if source else _download_own_file(file, node, step)
            for _ in _checked_chunks(file, chunks, step, job):
                pass


def _all_sent(
    step: Restore,
    record: SnapshotRecord,
    nodes: Mapping[str, NodeClient],
    job: JobContext,
    source: ByteSource,
) -> None:
    """Every node's file, each to its own node. Raises QdrantctlError.

    The first makes the collection, and may take long to be sent.
    """

    def free() -> None:
        if collection_exists(job.client, step.name):
            raise ClusterError(
                f"{job.client.server.url}: collection/{step.name} was created meanwhile "
                "by another user; it was left as it is",
                hint="Stop who makes it, and restore again.",
            )

    if record.keys:
        # A server makes no shard keys of a snapshot, and recovers no shard that is not there.
        with job.show_files(step.name, record.files[:1]):
            _send_file(record.files[0], nodes, step, job, source, free)
        _make_keys(step, record, job.client)
    with job.show_files(step.name, record.files):
        for number, file in enumerate(record.files):
            first = not (number or record.keys)
            _send_file(file, nodes, step, job, source, free if first else lambda: None)


def poll_until_clean(look: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    """What is missed by `look`; nodes of a cluster may answer from before for a moment."""
    return poll(lambda: tuple(look()), lambda missed: not missed, timeout=SHOWN, interval=0.1)


def _send_file(
    file: NodeSnapshotFile,
    nodes: Mapping[str, NodeClient],
    step: Restore,
    job: JobContext,
    source: ByteSource,
    last_look: Callable[[], None],
) -> None:
    """One file through here and to its node. Raises QdrantctlError.

    That needs no path and no address as the server sees them. Of several files each counts for
    its own node (`no_sync`): with `snapshot` a later one would recreate the replicas that
    an earlier one has brought.
    """
    node = nodes[file.peer]
    priority = "snapshot" if len(nodes) == 1 else "no_sync"
    # A name of its own: under the old one it would replace the snapshot that it is a copy of.
    name = f"{UPLOADED}{step.snapshot}-{file.peer}.snapshot"
    chunks = _checked_chunks(file, source(file, node), step, job, last_look)
    node.upload_snapshot(step.name, name, file.checksum, priority, chunks, file.size)
    forget_upload(node, step.name, name)


def forget_upload(node: Client, collection: str, name: str) -> None:
    """Delete the copy that the server keeps of what was uploaded."""
    try:
        path = collection_path(collection, "snapshots", name)
        node.request(Call(method="DELETE", path=path, query={"wait": "true"}))
    except ClusterError as error:
        if not error.not_found:
            raise


def _download_own_file(file: NodeSnapshotFile, node: NodeClient, step: Restore) -> Iterator[bytes]:
    """The bytes of a file as its own node has it. Raises ClusterError."""
    try:
        yield from download_snapshot(node, step.collection, file.name)
    except ClusterError as error:
        if error.not_found:
            error.hint = "It was deleted there. `qdrantctl snapshots list` shows others."
        raise


def _checked_chunks(
    file: NodeSnapshotFile,
    chunks: Iterable[bytes],
    step: Restore,
    job: JobContext,
    last_look: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """The bytes of a file. Raises QdrantctlError before their end when they are not as taken.

    `last_look` is asked before the last piece, without which the server does nothing.
    """
    digest, length, held = sha256(), 0, b""
    for piece in job.count_chunks(chunks, step.name, file):
        digest.update(piece)
        length += len(piece)
        if length <= file.size:
            yield held
            held = piece
    if (length, digest.hexdigest()) != (file.size, file.checksum):
        raise DamagedError(
            f"the file {file.name} of node {file.peer} is no longer what was taken",
            why=f"It has {length:,} bytes with sha256 {digest.hexdigest()}; {file.size:,} bytes "
            f"with {file.checksum} were taken.",
            hint="It is damaged or was changed, and was not restored.",
        )
    last_look()
    yield held


def _make_keys(step: Restore, record: SnapshotRecord, client: Client) -> None:
    """The shard keys, so that each shard has the number that it has in the snapshot.

    Numbers are given upwards and never again while higher ones are there, so where a key was
    dropped another stands for it until all are made.
    """
    existing = list_shard_keys(read_topology(client, step.name))
    path, coming = collection_path(step.name, "shards"), 1
    for key, shards in record.keys:
        gap = shards[0] - coming
        for name, count in ((f"qdrantctl-gap-{coming}", gap), (key, len(shards))):
            if count > 0 and name not in existing:
                body = {"shard_key": name, "shards_number": count}
                client.request(Call(method="PUT", path=path, body=body))
        coming = shards[-1] + 1
    expected = dict(record.keys)
    for key in list_shard_keys(read_topology(client, step.name)):
        if key not in expected:
            path = collection_path(step.name, "shards", "delete")
            client.request(Call(method="POST", path=path, body={"shard_key": key}))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the replicas of a collection are, each a shard and a node."""

    all: frozenset[tuple[int, str]]
    active: frozenset[tuple[int, str]]
    is_moving: bool
    """Whether shards are being transferred."""


def _place_replicas(step: Restore, record: SnapshotRecord, job: JobContext) -> None:
    """Drop the empty replicas that the server made elsewhere. Raises QdrantctlError.

    It places the shards of the new collection as it likes, and knows nothing of where they were.
    """
    expected = record.replicas

    def place() -> Placement:
        topology = read_topology(job.client, step.name)
        states = {(shard, peer): state for shard, peer, state in list_replicas(topology)}
        active = frozenset(at for at, state in states.items() if state == ACTIVE)
        placement = Placement(frozenset(states), active, bool(topology["shard_transfers"]))
        for shard, peer in placement.all - expected:
            if all(at in active for at in expected if at[0] == shard):
                _drop_replica(step.name, shard, peer, job.client)
        return placement

    def is_settled(placement: Placement) -> bool:
        return placement == Placement(expected, expected, is_moving=False)

    last = poll(place, is_settled, timeout=SETTLES, interval=0.1, is_cancelled=job.is_cancelled)
    if is_settled(last):
        return
    job.raise_if_cancelled()
    raise ClusterError(
        f"{job.client.server.url}: the shards of {step.name} did not settle",
        why=f"Not active where they were: {sorted(expected - last.active)}; "
        f"elsewhere: {sorted(last.all - expected)} (shard, node).",
        hint="Restore again when every node is up.",
    )


def _drop_replica(collection: str, shard: int, peer: str, client: Client) -> None:
    """Drop a replica. A node that answers late has dropped it already, or does so the next time."""
    body = {"drop_replica": {"shard_id": shard, "peer_id": int(peer)}}
    with suppress(ClusterError):
        client.request(Call(method="POST", path=collection_path(collection, "cluster"), body=body))


def _differing_files(
    record: SnapshotRecord, held: Mapping[str, Mapping[int, int]]
) -> Iterator[str]:
    """Shards that are not as they were; points count only where none was written meanwhile."""
    for file in record.files:
        for shard, counts in file.shards.items():
            now = held[file.peer].get(shard)
            low, high = sorted(counts)
            if now is None or (record.quiet and not low <= now <= high):
                were = f"{low}" if low == high else f"{low} to {high}"
                yield f"shard {shard} on node {file.peer} (had {were} points, has {now or 0})"
