"""The flow of `snapshots verify`: the newest sets become collections for a moment.

What is found is written beside the set, where list, plan and audit read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
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
from qdrantctl.flows.snapshots.policies.sample import unlike_sample
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.snapshots.restore.from_set import SelectedSet, plan_restore_from_set
from qdrantctl.flows.snapshots.restore.run import carried_out
from qdrantctl.flows.snapshots.restore.target import TargetOptions
from qdrantctl.flows.snapshots.restore.temporary_collection import (
    drop_temporary_collection,
    temporary_collection,
)
from qdrantctl.flows.snapshots.sets.catalog import write_json
from qdrantctl.model.errors import ClusterError, DamagedError, SnapshotRejected
from qdrantctl.model.snapshots.snapshot_set import (
    VERIFIED_FILE,
    SnapshotSet,
    VerificationResult,
    node_file,
)
from qdrantctl.model.step import Call

OnResult = Callable[[SnapshotSet, VerificationResult], None]


def verify_sets(
    settings: Settings,
    job: JobContext,
    only: tuple[str, ...],
    on_result: OnResult,
    *,
    embedded: bool,
) -> tuple[str, ...]:
    """Restore the newest set of each collection at each place; why others could not be tried.

    With `embedded` on servers of this machine, which are empty at first and gone afterwards. What
    could not be tried says nothing of a set. Raises QdrantctlError.
    """
    _remove_leftovers(settings, job)
    untried: list[str] = []
    for policy in read_policies(settings, job, only):
        untried += policy.status.errors
        for selected in _sets_to_verify(policy):
            job.raise_if_cancelled()
            what = f"{selected.set.folder} at {selected.store.url}"
            job.report_progress(f"{policy.status.address}: verifying {what}")
            with collect_errors(what) as errors:
                result = _verify_set(settings, job, selected, embedded=embedded)
                # That a file is not listed is seen at every look, and may be otherwise at the next.
                if not selected.set.missing_or_truncated_file:
                    write_json(selected.store, selected.set.folder + VERIFIED_FILE, result)
                on_result(selected.set, result)
            if errors:
                job.raise_if_cancelled()
            untried += errors
    return tuple(untried)


def _sets_to_verify(policy: AppliedPolicy) -> Iterator[SelectedSet]:
    """The newest set of each collection at each destination; a bad one must be reported, too.

    Before it every older one that failed a verification: its verdict is lifted or confirmed.
    """
    sets: dict[tuple[str, str], list[SelectedSet]] = {}
    for (url, _), snapshot_set in policy.sets.items():
        if snapshot_set.manifest and snapshot_set.state != "leaving":
            key = (url, snapshot_set.manifest.snapshot.collection)
            selected = SelectedSet(policy.stores[url], snapshot_set, snapshot_set.manifest)
            sets.setdefault(key, []).append(selected)
    for url in policy.stores:
        for name in policy.status.collections:
            if found := sets.get((url, name)):
                yield from (each for each in found[:-1] if each.set.has_bad_verdict)
                yield found[-1]


def _verify_set(
    settings: Settings, job: JobContext, selected: SelectedSet, *, embedded: bool
) -> VerificationResult:
    now, server = job.client.server_time, job.client.server.version
    notes: tuple[str, ...] = ()
    if reason := selected.set.missing_or_truncated_file:
        missed: tuple[str, ...] = (reason,)
    else:
        files = len(selected.manifest.snapshot.files)
        target = _on_scratch_servers(settings, job, files) if embedded else nullcontext(job)
        with target as scratch:
            server = scratch.client.server.version
            missed, notes = _find_differences(settings, now, scratch, selected)
    return VerificationResult(
        when=now, good=not missed, server=str(server), missed=missed, notes=notes
    )


@contextmanager
def _on_scratch_servers(settings: Settings, job: JobContext, count: int) -> Iterator[JobContext]:
    """Work on as many servers of this machine."""
    with (
        run_scratch_servers(settings.root, count, job.report_progress) as endpoints,
        RestClient(endpoints[0]) as client,
    ):
        urls = tuple(endpoint.url for endpoint in endpoints)
        yield JobContext(client, job.report_progress, job.is_cancelled, urls, progress=job.progress)


def _find_differences(
    settings: Settings, now: datetime, job: JobContext, selected: SelectedSet
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is not as it was, and what is other for want of the server that it was on.

    What fails once may have met a bad moment. Raises QdrantctlError where nothing can be said of
    the set: a server that refuses it may lack room, or another collection too many, or rights. So
    the files themselves must show that nothing can be made of them.
    """
    with suppress(DamagedError, SnapshotRejected):
        return _restore_and_compare(settings, now, job, selected)
    try:
        return _restore_and_compare(settings, now, job, selected)
    except DamagedError as error:
        return (f"{error.what}: {error.why}",), ()
    except SnapshotRejected as error:
        if not (fault := _archive_fault(job, selected)):
            error.hint = (
                f"{error.hint} Its files are what was taken, so what is known of the set stays "
                "as it was."
            ).strip()
            raise
        return (f"{error.what}: {error.why}", fault), ()


def _archive_fault(job: JobContext, selected: SelectedSet) -> str:
    """What is wrong with the first file of the set that is no sound archive; empty for none."""
    collection = selected.manifest.snapshot.collection
    for file in selected.manifest.snapshot.files:
        chunks = selected.store.read(selected.set.folder + node_file(file.peer))
        if fault := archive_fault(job.count_chunks(chunks, collection, file)):
            return f"the file of node {file.peer}: {fault}"
    return ""


def _restore_and_compare(
    settings: Settings, now: datetime, job: JobContext, selected: SelectedSet
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Restore a set with this client and compare; the collection is deleted again.

    Settings are told apart: the bytes are those that were taken, so it is the server that made
    them other, by its version or its own configuration.
    """
    name = f"{_scratch_prefix(settings)}{uuid4().hex[:12]}"
    planned = plan_restore_from_set(
        settings, job, selected, TargetOptions(name, lambda _: False, False), now
    )
    with temporary_collection(name, job, _nodes(job)):
        restored = carried_out(planned, job)
        if restored.is_red:  # as where its disk is full
            raise ClusterError(
                f"{job.client.server.url}: the server says that what it restored is red",
                hint="Look at the server's log; what is known of the set stays as it was.",
            )
        missed = (*restored.points, *unlike_sample(selected.manifest, name, job.client))
        return missed, restored.settings


def _nodes(job: JobContext) -> tuple[str, ...]:
    return job.nodes if job.client.server.peers > 1 else ()


def _remove_leftovers(settings: Settings, job: JobContext) -> None:
    """What a crashed verification left behind, on this machine and in the cluster."""
    remove_dead_scratch(settings.root)
    listed = job.client.request(Call(method="GET", path="/collections"))["collections"]
    for entry in listed:
        if entry["name"].startswith(_scratch_prefix(settings)):
            drop_temporary_collection(entry["name"], job, _nodes(job))


def _scratch_prefix(settings: Settings) -> str:
    """How the collections begin that this owner makes: another one may be verifying, too."""
    return f"{SCRATCH}{sha256(settings.owner.encode()).hexdigest()[:8]}-"
