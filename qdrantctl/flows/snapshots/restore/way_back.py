"""Proves that a snapshot can be restored, before points are destroyed.

The snapshot is restored to a temporary collection in the same way as by a restore: from the
servers' own disks, else by an upload. The collection is compared and deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from qdrantctl.engine.snapshots.policy_status import SCRATCH
from qdrantctl.flows.cluster.nodes import JobContext, connect_nodes
from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext
from qdrantctl.flows.snapshots.restore.temporary_collection import temporary_collection
from qdrantctl.flows.snapshots.restore.upload import FileSource, forget_upload, upload_and_verify
from qdrantctl.flows.snapshots.take import take_safety_snapshot
from qdrantctl.model.errors import ClusterError, LeaseError, QdrantctlError
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.snapshots.snapshot import SnapshotRecord
from qdrantctl.model.step import Restore, Snapshot

NOT_PROVEN = "A restore of it would fail in the same way."


def take_proven_snapshot(
    step: Snapshot, progress: ChangeProgress, context: ExecutionContext
) -> None:
    """The performer of `Snapshot`: take a snapshot and prove that it can be restored.

    Raises QdrantctlError; then nothing was destroyed, and the snapshot is deleted.
    """
    take_safety_snapshot(step, progress, context)
    if taken := progress.snapshot:
        restore = Restore(
            collection=step.collection, snapshot=taken.id, name=step.collection, nodes=step.nodes
        )
        with forget_snapshot_on_error(progress, context.job, step.nodes):
            prove_restorable(restore, taken, FileSource(), context.job)


def prove_restorable(
    step: Restore,
    record: SnapshotRecord,
    source: FileSource,
    job: JobContext,
    *,
    may_differ: bool = False,
) -> None:
    """Restore to a temporary collection, compare and delete it. Raises QdrantctlError.

    With `may_differ` differences of points are accepted.
    """
    job.report_progress(f"collection/{step.name}: proving that the snapshot can be restored")
    name = f"{SCRATCH}way-back-{sha256(step.name.encode()).hexdigest()[:12]}"
    trial = step.model_copy(update={"name": name, "object": ABSENT})
    try:
        with temporary_collection(name, job, step.nodes):
            missed = upload_and_verify(trial, record, job, source)
            if missed and not may_differ:
                raise ClusterError("the points differ", why=", ".join(missed))
    except LeaseError:
        raise
    except QdrantctlError as error:
        job.raise_if_cancelled()
        raise QdrantctlError(
            f"the snapshot {record.id} of collection/{record.collection} could not be restored "
            "on trial, under a temporary name",
            why=error.line,
            hint=NOT_PROVEN,
        ) from None


@contextmanager
def forget_snapshot_on_error(
    progress: ChangeProgress, job: JobContext, nodes: tuple[str, ...]
) -> Iterator[None]:
    """Delete the safety snapshot if the block fails: its collection still exists."""
    try:
        yield
    except QdrantctlError:
        if taken := progress.snapshot:
            progress.snapshot, progress.restore_point = None, ""
            with suppress(ClusterError):
                _delete_files(taken, job, nodes)
        raise


def _delete_files(taken: SnapshotRecord, job: JobContext, nodes: Iterable[str]) -> None:
    peers = frozenset(file.peer for file in taken.files)
    with connect_nodes(job.client, tuple(nodes), peers, f"snapshot {taken.id}") as clients:
        for file in taken.files:
            forget_upload(clients[file.peer], taken.object_name, file.name)
