"""Jobs on the snapshots of policies: plan, acquire the snapshot lease, plan again, execute.

The snapshot lease is independent of the lease of applies: neither waits for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.lease import LeaseWait, current_actor, hold_lease
from qdrantctl.flows.snapshots.policies.prune import plan_prune, remove_sets
from qdrantctl.flows.snapshots.policies.run import execute_run, plan_run
from qdrantctl.flows.snapshots.policies.verify import verify_sets
from qdrantctl.flows.snapshots.sets.registry import ensure_cluster_id
from qdrantctl.model.lease import snapshots_owner
from qdrantctl.model.progress import NO_PROGRESS, TaskProgress
from qdrantctl.model.report import Outcome, Report
from qdrantctl.model.snapshots.reports import RemovalReport, VerificationReport
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, VerificationResult


@contextmanager
def hold_snapshot_lease(
    settings: Settings,
    client: RestClient,
    wait: LeaseWait,
    report_progress: Callable[[str], None],
    task_progress: TaskProgress = NO_PROGRESS,
    wait_timeout: float | None = None,
) -> Iterator[JobContext]:
    """A job context under the snapshot lease. Raises LeaseError if another job holds it."""
    owner = snapshots_owner(settings.owner)
    with hold_lease(client, owner, current_actor(settings), wait) as guarded:
        yield JobContext(
            guarded,
            report_progress,
            wait.is_cancelled,
            settings.nodes,
            progress=task_progress,
            wait_timeout=wait_timeout,
        )


def run_policies(
    settings: Settings,
    client: RestClient,
    names: tuple[str, ...],
    wait: LeaseWait,
    report_progress: Callable[[str], None],
    on_outcome: Callable[[Outcome], None],
    task_progress: TaskProgress,
) -> Report:
    """Take the snapshots that are due, and remove expired sets.

    The first plan finds errors before the lease is acquired. Raises QdrantctlError.
    """
    plan_run(
        settings, JobContext(client, report_progress, wait.is_cancelled, settings.nodes), names
    )
    with hold_snapshot_lease(settings, client, wait, report_progress, task_progress) as job:
        ensure_cluster_id(job.client)
        return execute_run(plan_run(settings, job, names), job, on_outcome)


def prune_policies(
    settings: Settings,
    client: RestClient,
    names: tuple[str, ...],
    orphans: tuple[str, ...],
    wait: LeaseWait,
    report_progress: Callable[[str], None],
    *,
    dry_run: bool,
) -> RemovalReport:
    """Remove expired sets and the named `orphans`. Raises QdrantctlError."""
    job = JobContext(client, report_progress, wait.is_cancelled, settings.nodes)
    removed, skipped, notices = plan_prune(settings, job, names, orphans)
    if removed and not dry_run:
        with hold_snapshot_lease(settings, client, wait, report_progress) as leased_job:
            removed, skipped, notices = plan_prune(settings, leased_job, names, orphans)
            remove_sets(removed, leased_job)
    sets = tuple(removal.set for removal in removed)
    return RemovalReport(sets, tuple(skipped), client.server_time, dry_run, notices)


def verify_policies(
    settings: Settings,
    client: RestClient,
    names: tuple[str, ...],
    wait: LeaseWait,
    report_progress: Callable[[str], None],
    on_verified: Callable[[SnapshotSet, VerificationResult], None],
    task_progress: TaskProgress,
    *,
    embedded: bool,
    wait_timeout: float | None = None,
) -> VerificationReport:
    """Restore the newest sets and compare them. Raises QdrantctlError.

    `wait_timeout` is the number of seconds to wait for shards to be on their nodes.
    """
    verified: list[tuple[SnapshotSet, VerificationResult]] = []

    def add(snapshot_set: SnapshotSet, result: VerificationResult) -> None:
        verified.append((snapshot_set, result))
        on_verified(snapshot_set, result)

    with hold_snapshot_lease(
        settings, client, wait, report_progress, task_progress, wait_timeout
    ) as job:
        untried = verify_sets(settings, job, names, add, embedded=embedded)
    return VerificationReport(tuple(verified), untried)
