"""The flow of `snapshots verify`: restore the newest sets as temporary collections and compare.

The result is stored with the set, where list, plan and audit read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from qdrantctl.adapters.local_server.scratch import remove_dead_scratch, run_scratch_servers
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.engine.snapshots.policy_status import SCRATCH
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.partial_failure import collect_errors
from qdrantctl.flows.snapshots.policies.archive import archive_fault
from qdrantctl.flows.snapshots.policies.sample import sample_differences
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.snapshots.restore.from_set import SelectedSet, plan_restore_from_set
from qdrantctl.flows.snapshots.restore.room import require_room
from qdrantctl.flows.snapshots.restore.run import restore_and_compare
from qdrantctl.flows.snapshots.restore.target import TargetOptions
from qdrantctl.flows.snapshots.restore.temporary_collection import (
    drop_temporary_collection,
    temporary_collection,
)
from qdrantctl.flows.snapshots.sets.catalog import write_json
from qdrantctl.model.errors import ClusterError, DamagedError, SnapshotRejected
from qdrantctl.model.lease import snapshots_owner
from qdrantctl.model.snapshots.snapshot_set import (
    VERIFIED_FILE,
    SnapshotSet,
    VerificationResult,
    node_file,
)
from qdrantctl.model.step import Call, Step

OnResult = Callable[[SnapshotSet, VerificationResult], None]


def verify_sets(
    settings: Settings,
    job: JobContext,
    only: tuple[str, ...],
    on_result: OnResult,
    *,
    embedded: bool,
) -> tuple[str, ...]:
    """Restore the newest set of each collection at each destination, and compare it.

    With `embedded` the sets are restored on temporary servers of this machine. Returns why sets
    could not be tested; such a set keeps the result that it has. Raises QdrantctlError.
    """
    _remove_leftovers(settings, job)
    untried: list[str] = []
    for policy in read_policies(settings, job, only):
        untried += policy.status.errors
        for selected in _sets_to_verify(policy):
            job.raise_if_cancelled()
            what = f"{selected.set.folder} at {selected.destination.url}"
            job.report_progress(f"{policy.status.address}: verifying {what}")
            with collect_errors(what) as errors:
                result = _verify_set(settings, job, selected, embedded=embedded)
                # A missing file is no result: each listing shows it, and the next may not.
                if not selected.set.missing_or_truncated_file:
                    write_json(selected.destination, selected.set.folder, VERIFIED_FILE, result)
                on_result(selected.set, result)
            if errors:
                job.raise_if_cancelled()
            untried += errors
    return tuple(untried)


def _sets_to_verify(policy: AppliedPolicy) -> Iterator[SelectedSet]:
    """The newest set of each collection at each destination, including bad ones.

    Older sets that failed a verification come first: they may be good now.
    """
    sets: dict[tuple[str, str], list[SelectedSet]] = {}
    for (url, _), snapshot_set in policy.sets.items():
        if snapshot_set.manifest and snapshot_set.state in ("complete", "bad"):
            key = (url, snapshot_set.manifest.snapshot.collection)
            selected = SelectedSet(policy.stores[url], snapshot_set, snapshot_set.manifest)
            sets.setdefault(key, []).append(selected)
    for url in policy.stores:
        for name in policy.status.collections:
            if same_collection := sets.get((url, name)):
                *older, newest = same_collection
                yield from (selected for selected in older if selected.set.has_bad_verdict)
                yield newest


def _verify_set(
    settings: Settings, job: JobContext, selected: SelectedSet, *, embedded: bool
) -> VerificationResult:
    now, server = job.client.server_time, job.client.server.version
    changed_settings: tuple[str, ...] = ()
    if reason := selected.set.missing_or_truncated_file:
        missed: tuple[str, ...] = (reason,)
    else:
        files = len(selected.manifest.snapshot.files)
        target = _on_scratch_servers(settings, job, files) if embedded else nullcontext(job)
        with target as scratch:
            server = scratch.client.server.version
            missed, changed_settings = _find_differences(settings, now, scratch, selected)
    return VerificationResult(
        when=now, good=not missed, server=str(server), missed=missed, notes=changed_settings
    )


@contextmanager
def _on_scratch_servers(settings: Settings, job: JobContext, count: int) -> Iterator[JobContext]:
    """A job context for `count` temporary servers of this machine."""
    with (
        run_scratch_servers(
            settings.root, count, job.report_progress, settings.embedded_version
        ) as endpoints,
        RestClient(endpoints[0]) as client,
    ):
        urls = tuple(endpoint.url for endpoint in endpoints)
        yield replace(job, client=client, nodes=urls)


def _find_differences(
    settings: Settings, now: datetime, job: JobContext, selected: SelectedSet
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The differences from the set, and settings that the server changed; in the second attempt.

    A server may reject a snapshot for want of disk space, of permissions or of collections. So a
    rejected set is bad only if its files show a fault. Else raises QdrantctlError.
    """
    with suppress(DamagedError, SnapshotRejected):
        return _try_restore(settings, now, job, selected)
    try:
        return _try_restore(settings, now, job, selected)
    except DamagedError as error:
        return (f"{error.what}: {error.why}",), ()
    except SnapshotRejected as error:
        if not (fault := _find_archive_fault(job, selected)):
            error.hint += " Its files are what was taken, so the set keeps the result that it has."
            raise
        return (f"{error.what}: {error.why}", fault), ()


def _find_archive_fault(job: JobContext, selected: SelectedSet) -> str:
    """The fault of the first file of the set that is no valid archive; empty if all are."""
    collection = selected.manifest.snapshot.collection
    for file in selected.manifest.snapshot.files:
        chunks = selected.destination.store.read(selected.set.folder + node_file(file.peer))
        if fault := archive_fault(job.count_chunks(chunks, collection, file)):
            return f"the file of node {file.peer}: {fault}"
    return ""


def _try_restore(
    settings: Settings, now: datetime, job: JobContext, selected: SelectedSet
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Restore a set to a temporary collection, compare it, and delete the collection.

    Returns differences of points, and of settings: these come from the version or the
    configuration of the server, since the bytes are those that were taken.
    """
    name = f"{_scratch_prefix(settings)}{uuid4().hex[:12]}"
    planned = plan_restore_from_set(
        settings, job, selected, TargetOptions(name, lambda _: False, False), now
    )
    job_lease = snapshots_owner(settings.owner)
    require_room(job.client, [Step(restore=planned.step)], [job_lease])
    with temporary_collection(name, job, _list_nodes(job)):
        restored = restore_and_compare(planned, job)
        if restored.is_red:  # for example because its disk is full
            raise ClusterError(
                f"{job.client.server.url}: the server reports an error of the restored collection",
                hint="See the server's log. The set keeps the result that it has.",
            )
        samples = sample_differences(selected.manifest, name, job.client)
        return (*restored.points, *samples), restored.settings


def _list_nodes(job: JobContext) -> tuple[str, ...]:
    return job.nodes if job.client.server.peers > 1 else ()


def _remove_leftovers(settings: Settings, job: JobContext) -> None:
    """Remove leftovers of a crashed verification, on this machine and on the cluster."""
    remove_dead_scratch(settings.root)
    listed = job.client.request(Call(method="GET", path="/collections"))["collections"]
    for entry in listed:
        if entry["name"].startswith(_scratch_prefix(settings)):
            drop_temporary_collection(entry["name"], job, _list_nodes(job))


def _scratch_prefix(settings: Settings) -> str:
    """Name prefix of this owner's temporary collections; other owners may verify too."""
    return f"{SCRATCH}{sha256(settings.owner.encode()).hexdigest()[:8]}-"
