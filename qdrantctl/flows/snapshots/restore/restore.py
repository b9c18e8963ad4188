"""The flow of `snapshots restore`: plan, approve, take the leases, plan again, restore."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.flows.cluster.connect import connect
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.lease import LeaseWait, current_actor, hold_lease
from qdrantctl.flows.snapshots.restore import from_set
from qdrantctl.flows.snapshots.restore import plan as from_ledger
from qdrantctl.flows.snapshots.restore.plan import PlannedRestore
from qdrantctl.flows.snapshots.restore.run import run_restore
from qdrantctl.flows.snapshots.restore.target import TargetOptions
from qdrantctl.model.client import NodeClient
from qdrantctl.model.consent import Consent, is_allowed
from qdrantctl.model.errors import StaleError
from qdrantctl.model.lease import snapshots_owner
from qdrantctl.model.plan import Plan
from qdrantctl.model.progress import TaskProgress
from qdrantctl.model.report import Report
from qdrantctl.model.snapshots.reports import RestoredCollection
from qdrantctl.model.step import Call


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What the operator asks of a restore."""

    snapshot: str
    """`collection/NAME` for the latest, or `collection/NAME@ID`."""
    source: str | None = None
    """The destination that holds the set; None for a snapshot of the ledger."""
    at: datetime | None = None
    """With a source: the last set not later than this."""
    cluster: str = ""
    """With a source: take a set of this cluster, by its id, instead of the caller's own."""
    name: str | None = None
    """Name of the new collection; None makes one up."""
    consents: tuple[Consent, ...] = ()
    """From flags."""
    with_aliases: bool = False
    auto_approve: bool = False
    lease_timeout: float = 0


class RestoreView(Protocol):
    """What a restore shows to the operator, and asks."""

    def report_progress(self, text: str) -> None:
        """Show what is being done."""

    @property
    def task_progress(self) -> TaskProgress:
        """Shows how far transfers and waits are."""

    def clear_progress(self) -> None:
        """Take that away, before anything else is shown."""

    def notify(self, text: str) -> None:
        """Show a line beside the results."""

    def show_plan(self, plan: Plan) -> None:
        """Show what would be restored."""

    def approve(self, plan: Plan) -> bool:
        """Whether the operator approves the plan that was shown."""

    def catch_signals(self) -> AbstractContextManager[Callable[[], bool]]:
        """From now on signals only ask to stop; the value says whether one did."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What became of a restore."""

    report: Report
    restored: RestoredCollection
    """What to know of the new collection once the restore is complete."""


def restore_snapshot(
    settings: Settings,
    options: RestoreOptions,
    view: RestoreView,
    on_request: Callable[[Call, int, float], None] | None = None,
) -> RestoreResult | None:
    """Make a new collection of a snapshot; None where the operator did not approve.

    Raises QdrantctlError where there is no such snapshot or the name is taken, StaleError where
    the cluster changed after the plan was shown.
    """
    with connect(settings, on_request) as client:
        planned = _plan_restore(settings, options, client)
        view.clear_progress()
        view.show_plan(planned.plan)
        if not options.auto_approve and not view.approve(planned.plan):
            return None
        with view.catch_signals() as is_cancelled:
            report = _restore_under_leases(planned, settings, options, view, client, is_cancelled)
    aliases_left = [a for a in planned.record.aliases if a not in planned.target.aliases]
    restored = RestoredCollection(
        planned.step.name, planned.record, tuple(aliases_left), managed=planned.target.is_ours
    )
    return RestoreResult(report, restored)


def _plan_restore(
    settings: Settings, options: RestoreOptions, client: NodeClient
) -> PlannedRestore:
    """What the restore would do, from the ledger's snapshots or from a destination. Reads only."""
    now = datetime.now(UTC)
    consents = settings.valid_consents(options.consents)
    target_options = TargetOptions(
        options.name,
        lambda address: is_allowed(consents, "replace", address),
        options.with_aliases,
    )
    if not options.source:
        return from_ledger.plan_restore_from_ledger(
            settings, client, options.snapshot, target_options, now
        )
    job = JobContext(client, lambda _: None, lambda: False, settings.nodes)
    selected = from_set.select_set(
        settings, job, options.snapshot, options.source, options.at, now, options.cluster
    )
    return from_set.plan_restore_from_set(settings, job, selected, target_options, now)


def _restore_under_leases(
    planned: PlannedRestore,
    settings: Settings,
    options: RestoreOptions,
    view: RestoreView,
    client: RestClient,
    is_cancelled: Callable[[], bool],
) -> Report:
    """Take both leases, ensure that nothing has changed meanwhile, and restore.

    An apply would take the incomplete collection for a managed one; a job on snapshots, too, and
    might remove the set that is being restored.
    """
    actor = current_actor(settings)
    wait = LeaseWait(options.lease_timeout, view.notify, is_cancelled)
    snapshot = f"collection/{planned.step.collection}@{planned.step.snapshot}"
    exact = replace(options, snapshot=snapshot, at=None, name=planned.step.name)
    with (
        hold_lease(client, snapshots_owner(settings.owner), actor, wait),
        hold_lease(client, settings.owner, actor, wait) as guarded,
    ):
        now = _plan_restore(settings, exact, guarded)
        if now.approved != planned.approved:
            raise StaleError(
                "the cluster changed after the plan was shown; no changes were made",
                hint="Run restore again and review the new plan.",
            )
        try:
            job = JobContext(
                guarded, view.report_progress, is_cancelled, progress=view.task_progress
            )
            return run_restore(now, job, actor)
        finally:
            view.clear_progress()
