"""The flow of `snapshots verify`: restore the newest sets as temporary collections and compare.

The result is stored with the set, where list, plan and audit read it.
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
from qdrantctl.flows.cluster.nodes import JobContext, list_node_snapshots
from qdrantctl.flows.partial_failure import collect_errors
from qdrantctl.flows.snapshots.policies.sample import sample_differences
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.snapshots.restore.from_set import SelectedSet, plan_restore_from_set
from qdrantctl.flows.snapshots.restore.run import restore_and_compare
from qdrantctl.flows.snapshots.restore.target import TargetOptions
from qdrantctl.flows.snapshots.sets.catalog import write_json
from qdrantctl.model.errors import ClusterError, DamagedError, SnapshotRejected
from qdrantctl.model.snapshots.snapshot_set import VERIFIED_FILE, SnapshotSet, VerificationResult
from qdrantctl.model.step import Call, collection_path

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
    could not be tested; such a set gets no result. Raises QdrantctlError.
    """
    _remove_leftovers(settings, job)
    untried: list[str] = []
    for policy in read_policies(settings, job, only):
        untried += policy.status.errors
        for selected in _newest_sets(policy):
            job.raise_if_cancelled()
            what = f"{selected.set.folder} at {selected.destination.url}"
            job.report_progress(f"{policy.status.address}: verifying {what}")
            with collect_errors(what) as errors:
                result = _verify_set(settings, job, selected, embedded=embedded)
                if selected.set.state == "complete" or selected.set.verified:
                    write_json(selected.destination, selected.set.folder, VERIFIED_FILE, result)
                on_result(selected.set, result)
            if errors:
                job.raise_if_cancelled()
            untried += errors
    return tuple(untried)


def _newest_sets(policy: AppliedPolicy) -> Iterator[SelectedSet]:
    """The newest set of each collection at each destination, including bad ones."""
    newest: dict[tuple[str, str], SelectedSet] = {}
    for (url, _), snapshot_set in policy.sets.items():
        if snapshot_set.manifest and snapshot_set.state in ("complete", "bad"):
            name = snapshot_set.manifest.snapshot.collection
            newest[url, name] = SelectedSet(policy.stores[url], snapshot_set, snapshot_set.manifest)
    for url in policy.stores:
        for name in policy.status.collections:
            if (url, name) in newest:
                yield newest[url, name]


def _verify_set(
    settings: Settings, job: JobContext, selected: SelectedSet, *, embedded: bool
) -> VerificationResult:
    now, server = job.client.server_time, job.client.server.version
    if reason := selected.set.missing_or_truncated_file:
        missed: tuple[str, ...] = (reason,)
    else:
        files = len(selected.manifest.snapshot.files)
        target = _on_scratch_servers(settings, job, files) if embedded else nullcontext(job)
        with target as scratch:
            server = scratch.client.server.version
            missed = _find_differences(settings, now, scratch, selected)
    return VerificationResult(when=now, good=not missed, server=str(server), missed=missed)


@contextmanager
def _on_scratch_servers(settings: Settings, job: JobContext, count: int) -> Iterator[JobContext]:
    """A job context for `count` temporary servers of this machine."""
    with (
        run_scratch_servers(settings.root, count, job.report_progress) as endpoints,
        RestClient(endpoints[0]) as client,
    ):
        urls = tuple(endpoint.url for endpoint in endpoints)
        yield JobContext(client, job.report_progress, job.is_cancelled, urls, progress=job.progress)


def _find_differences(
    settings: Settings, now: datetime, job: JobContext, selected: SelectedSet
) -> tuple[str, ...]:
    """The differences from the set. A server that rejects the snapshot gets a second attempt."""
    try:
        try:
            return _try_restore(settings, now, job, selected)
        except SnapshotRejected:
            return _try_restore(settings, now, job, selected)
    except (DamagedError, SnapshotRejected) as error:
        return (f"{error.what}: {error.why}",)


def _try_restore(
    settings: Settings, now: datetime, job: JobContext, selected: SelectedSet
) -> tuple[str, ...]:
    """Restore a set to a temporary collection, compare it, and delete the collection."""
    name = f"{_scratch_prefix(settings)}{uuid4().hex[:12]}"
    planned = plan_restore_from_set(
        settings, job, selected, TargetOptions(name, lambda _: False, False), now
    )
    try:
        missed, _ = restore_and_compare(planned, job)
        return (*missed, *sample_differences(selected.manifest, name, job.client))
    finally:
        _drop_scratch_collection(name, job)


def _drop_scratch_collection(name: str, job: JobContext) -> None:
    """Delete the collection's snapshots first: afterwards they could not be deleted."""
    nodes = job.nodes if job.client.server.peers > 1 else ()
    for url in nodes or ("",):
        node = job.client.for_node(url, timeout=60)
        try:
            with suppress(ClusterError):
                for snapshot in list_node_snapshots(node, name):
                    path = collection_path(name, "snapshots", snapshot)
                    node.request(Call(method="DELETE", path=path, query={"wait": "true"}))
        finally:
            node.close()
    job.client.request(Call(method="DELETE", path=collection_path(name)))


def _remove_leftovers(settings: Settings, job: JobContext) -> None:
    """Remove leftovers of a crashed verification, on this machine and on the cluster."""
    remove_dead_scratch(settings.root)
    listed = job.client.request(Call(method="GET", path="/collections"))["collections"]
    for entry in listed:
        if entry["name"].startswith(_scratch_prefix(settings)):
            _drop_scratch_collection(entry["name"], job)


def _scratch_prefix(settings: Settings) -> str:
    """Name prefix of this owner's temporary collections; other owners may verify too."""
    return f"{SCRATCH}{sha256(settings.owner.encode()).hexdigest()[:8]}-"
