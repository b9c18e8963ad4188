"""Take one set: on every node, copied to its destinations, with its manifest written last.

Each destination gets a begun manifest before any file is copied. So the next run finds the
server-side files of a crashed run and continues with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import (
    JobContext,
    connect_nodes,
    current_members,
    list_node_snapshots,
    list_replicas,
    list_shard_keys,
    read_topology,
)
from qdrantctl.flows.snapshots.policies.progress import PolicyRun, as_stored_set
from qdrantctl.flows.snapshots.policies.sample import take_sample
from qdrantctl.flows.snapshots.sets.catalog import Destination, list_sets, write_json
from qdrantctl.flows.snapshots.sets.cluster_store import delete_server_file
from qdrantctl.flows.snapshots.take import create_node_snapshots, with_writes
from qdrantctl.flows.snapshots.writes import count_writes
from qdrantctl.flows.state.live import read_live, read_object_names
from qdrantctl.kinds.cron_schedule import schedule_at
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient, ReadRequest
from qdrantctl.model.errors import ClusterError, StoreError
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile, SnapshotRecord
from qdrantctl.model.snapshots.snapshot_set import (
    BEGUN_FILE,
    MANIFEST_FILE,
    SetManifest,
    SnapshotSet,
    node_file,
)
from qdrantctl.model.step import Call, ResumeSet, TakeSet, collection_path


def take_set(step: TakeSet, run: PolicyRun) -> None:
    """Take a set and copy it to each destination of the step."""
    address, job, progress = f"collection/{step.collection}", run.job, run.progress
    with progress.collect_errors(address) as errors:
        manifest = create_set(step, run)
        run.remember(manifest)
    if errors:
        return
    run.is_out_of_date = True
    begun_at: list[Destination] = []
    complete_at: list[Destination] = []
    for destination in (run.policy.stores[url] for url in step.to):
        with progress.collect_errors(address):
            write_json(destination, manifest.folder, BEGUN_FILE, manifest)
            begun_at.append(destination)
            copy_to_destination(destination, manifest, {}, job)
            complete_at.append(destination)
    with progress.collect_errors(address):
        if not begun_at:
            delete_server_copies(manifest, job)
        conclude_set(manifest, complete_at, run, is_everywhere=len(complete_at) == len(step.to))


def resume_set(step: ResumeSet, run: PolicyRun) -> None:
    """Finish an incomplete set of an earlier run if the servers still hold its files."""
    address, job, progress = f"collection/{step.collection}", run.job, run.progress
    run.is_out_of_date = True
    complete_at: list[Destination] = []
    sets = [run.policy.sets[url, step.folder] for url in step.destinations]
    for snapshot_set in sets:
        destination, manifest = (
            run.policy.stores[snapshot_set.destination],
            snapshot_set.begun_manifest,
        )
        with progress.collect_errors(address):
            if snapshot_set.state == "unfinished" and manifest:
                if source_is_gone(manifest, job):
                    continue
                copy_to_destination(destination, manifest, snapshot_set.files, job)
            complete_at.append(destination)
    with progress.collect_errors(address):
        if manifest := sets[0].any_manifest:
            conclude_set(manifest, complete_at, run, is_everywhere=len(complete_at) == len(sets))


def create_set(step: TakeSet, run: PolicyRun) -> SetManifest:
    """Take the snapshots on every node. Raises QdrantctlError."""
    job, status = run.job, run.policy.status
    address = Address("collection", step.collection)
    only = frozenset({address})
    names = read_object_names(ledger.read_ledger(job.client))
    request = ReadRequest(Inventory(), Inventory(), details=only, only=only, names=names)
    live = read_live(job.client, request).get(address)
    if live is None:
        raise ClusterError(f"{job.client.server.url}: {address} no longer exists")
    shards = read_topology(job.client, live.object_name)
    holders = frozenset(peer for _, peer, _ in list_replicas(shards))
    keys = list_shard_keys(shards)
    with connect_nodes(job.client, step.nodes, holders, str(address)) as nodes:
        writes = count_writes(nodes.values(), job.client.server.peers)
        before = take_sample(job.client, live.object_name, live.spec, keys)
        snapshot = create_node_snapshots(live, shards, nodes, job)
        # Points written meanwhile may be in the snapshot or not, also if they look unchanged now.
        unchanged = before.unchanged_in(take_sample(job.client, live.object_name, live.spec, keys))
        snapshot = with_writes(snapshot, writes, nodes.values(), job.client)
    manifest = SetManifest(
        owner=status.owner,
        cluster=run.policy.identity.id,
        policy=status.name,
        scheduled=_latest_slot(run),
        id=snapshot.id,
        taken=job.client.server_time,
        snapshot=snapshot.of(run.entry(step.collection)),
        sample=unchanged.points,
        queries=unchanged.queries,
    )
    return _with_unused_id(manifest, {folder for _, folder in run.policy.sets})


def _latest_slot(run: PolicyRun) -> datetime:
    """The scheduled time of a set taken now, which may be later than that of the plan."""
    slot = schedule_at(run.policy.status.spec, run.job.client.server_time).last
    assert slot  # a step to take a set is planned only if there is one
    return slot


def _with_unused_id(manifest: SetManifest, folders: set[str]) -> SetManifest:
    """The manifest with a unique id: ids are times, and a clock can be set back."""
    unused, number = manifest, 1
    while unused.folder in folders:
        number += 1
        unused = manifest.model_copy(update={"id": f"{manifest.id}.{number}"})
    return unused


def conclude_set(
    manifest: SetManifest,
    complete_at: Sequence[Destination],
    run: PolicyRun,
    *,
    is_everywhere: bool,
) -> None:
    """Report where a set is complete now, and delete server copies that are no longer needed.

    They are kept while a destination cannot be read: it may be the servers themselves, or still
    need the files. Raises QdrantctlError.
    """
    policy, folder = run.policy, manifest.folder
    sets = [
        (destination, snapshot_set)
        for destination in complete_at
        for snapshot_set in list_sets(destination, folder)
    ]
    for _, snapshot_set in sets:
        before = policy.sets.get((snapshot_set.destination, folder))
        if snapshot_set.state == "complete" and not (before and before.state == "complete"):
            run.progress.taken.append(as_stored_set(snapshot_set))
    sets_with_copies = [
        (s, snapshot_set)
        for s, snapshot_set in sets
        if policy.status.has_server_copies(snapshot_set.info)
    ]
    if sets_with_copies and is_everywhere and not policy.status.errors:
        urls = [destination.url for destination in complete_at]
        keep = CLUSTER in urls or (CLUSTER, folder) in policy.sets
        finish_set(sets_with_copies, run.job, keep=keep)


def copy_to_destination(
    destination: Destination,
    manifest: SetManifest,
    existing: Mapping[str, int],
    job: JobContext,
) -> SetManifest:
    """Copy every file to a destination, then write the manifest. Raises QdrantctlError.

    `existing` are sizes by name of complete files, which are not copied again.
    """
    snapshot = manifest.snapshot
    peers = frozenset(file.peer for file in snapshot.files)
    files: list[NodeSnapshotFile] = []
    with (
        connect_nodes(job.client, _require_nodes(job), peers, manifest.address) as nodes,
        job.show_files(snapshot.collection, snapshot.files),
    ):
        for file in snapshot.files:
            if not file.checksum or existing.get(node_file(file.peer)) != file.size:
                chunks = VerifiedChunks(file, snapshot, nodes[file.peer], job)
                name = manifest.folder + node_file(file.peer)
                destination.store.write(name, iter(chunks))
                file = file.model_copy(update={"checksum": chunks.digest.hexdigest()})
            files.append(file)
    complete_snapshot = snapshot.model_copy(update={"files": tuple(files)})
    complete = manifest.model_copy(update={"snapshot": complete_snapshot})
    write_json(destination, manifest.folder, MANIFEST_FILE, complete)
    return complete


def _require_nodes(job: JobContext) -> tuple[str, ...]:
    return job.nodes if job.client.server.peers > 1 else ()


class VerifiedChunks:
    """The bytes of one node's file; after the last, size and checksum are compared."""

    def __init__(
        self, file: NodeSnapshotFile, snapshot: SnapshotRecord, node: NodeClient, job: JobContext
    ) -> None:
        self.file, self.snapshot, self.node, self.job = file, snapshot, node, job
        self.digest = sha256()

    def __iter__(self) -> Iterator[bytes]:
        path = collection_path(self.snapshot.object_name, "snapshots", self.file.name)
        chunks = self.node.download(Call(method="GET", path=path))
        length = 0
        for piece in self.job.count_chunks(chunks, self.snapshot.collection, self.file):
            self.digest.update(piece)
            length += len(piece)
            yield piece
        checksum = self.digest.hexdigest()
        if length != self.file.size or checksum != (self.file.checksum or checksum):
            raise StoreError(
                f"{self.node.server.url}: {self.file.name} differs from what the server reported",
                why=f"{length:,} bytes with sha256 {checksum} were received, {self.file.size:,} "
                f"with {self.file.checksum or 'an unknown checksum'} were reported.",
                hint="Check the disk and the log of that node.",
            )


def finish_set(
    sets: Sequence[tuple[Destination, SnapshotSet]], job: JobContext, *, keep: bool
) -> None:
    """Delete the server copies of a set that is complete at all its destinations.

    With `keep` they stay: they are the set's files. The begun manifest is deleted last, so that
    an interrupted deletion can be resumed. Raises QdrantctlError.
    """
    manifest = sets[0][1].manifest
    if manifest is None or any(snapshot_set.manifest is None for _, snapshot_set in sets):
        return
    if not keep:
        delete_server_copies(manifest, job)
    for destination, snapshot_set in sets:
        destination.store.delete(snapshot_set.folder + BEGUN_FILE)


def delete_server_copies(manifest: SetManifest, job: JobContext) -> None:
    """Delete the server copies of a set. Raises QdrantctlError."""
    peers = current_members(job.client, (file.peer for file in manifest.snapshot.files))
    with connect_nodes(job.client, _require_nodes(job), peers, manifest.address) as nodes:
        for file in manifest.snapshot.files:
            if file.peer in nodes:
                delete_server_file(nodes[file.peer], manifest, file)


def source_is_gone(manifest: SetManifest, job: JobContext) -> bool:
    """Whether the servers no longer have all files of a set. Raises QdrantctlError."""
    snapshot = manifest.snapshot
    peers = current_members(job.client, (file.peer for file in snapshot.files))
    try:
        with connect_nodes(job.client, _require_nodes(job), peers, manifest.address) as nodes:
            return any(
                file.peer not in nodes
                or file.name not in list_node_snapshots(nodes[file.peer], snapshot.object_name)
                for file in snapshot.files
            )
    except ClusterError as error:
        if error.not_found:
            return True
        raise
