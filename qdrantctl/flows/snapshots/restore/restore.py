"""The flow of `snapshots restore`: plan, approve, acquire leases, plan again, restore."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Protocol

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.engine.snapshots.set_choice import RestoreRequest
from qdrantctl.flows.cluster.connect import connect
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.lease import LeaseWait, current_actor, hold_lease
from qdrantctl.flows.snapshots.restore import from_set
from qdrantctl.flows.snapshots.restore import plan as from_ledger
from qdrantctl.flows.snapshots.restore.plan import PlannedRestore
from qdrantctl.flows.snapshots.restore.room import require_room
from qdrantctl.flows.snapshots.restore.run import run_restore
from qdrantctl.flows.snapshots.restore.target import TargetOptions
from qdrantctl.flows.state.protection import protected_settings, read_protection
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
    """Options of a restore."""

    snapshot: str
    """`collection/NAME` for the latest, or `collection/NAME@ID`."""
    source: str | None = None
    """The destination that holds the set; None for a snapshot of the ledger."""
    at: datetime | None = None
    """With a source: the last set not later than this."""
    cluster: str = ""
    """With a source: the id of the cluster whose sets are requested, instead of the caller's."""
    name: str | None = None
    """Name of the new collection; None generates one."""
    consents: tuple[Consent, ...] = ()
    """From flags."""
    with_aliases: bool = False
    ignore_verdict: bool = False
    """With a source: whether to take a set also if its verification failed."""
    auto_approve: bool = False
    lease_timeout: float = 0
    wait_timeout: float | None = None
    """Seconds to wait for shards and indexes; None for the defaults."""


class RestoreView(Protocol):
    """Output and prompts of a restore."""

    def report_progress(self, text: str) -> None:
        """Show the current activity."""

    @property
    def task_progress(self) -> TaskProgress:
        """Shows the progress of transfers and waits."""

    def clear_progress(self) -> None:
        """Clear the progress display before other output."""

    def notify(self, text: str) -> None:
        """Show a message that is not part of the results."""

    def show_plan(self, plan: Plan) -> None:
        """Show the plan of the restore."""

    def approve(self, plan: Plan) -> bool:
        """Whether the operator approves the plan that was shown."""

    def catch_signals(self) -> AbstractContextManager[Callable[[], bool]]:
        """Turn signals into cancellation until the block ends; returns a check for it."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """Result of a restore."""

    report: Report
    restored: RestoredCollection
    """The new collection, for the output of a complete restore."""


def restore_snapshot(
    settings: Settings,
    options: RestoreOptions,
    view: RestoreView,
    on_request: Callable[[Call, int, float], None] | None = None,
) -> RestoreResult | None:
    """Restore a snapshot as a collection; None if the operator did not approve.

    Raises QdrantctlError if there is no such snapshot or the name is in use, StaleError if the
    cluster changed after the plan was shown.
    """
    with connect(settings, on_request) as client:
        planned = _plan_restore(settings, options, client)
        require_room(client, planned.steps, (settings.owner, snapshots_owner(settings.owner)))
        view.clear_progress()
        view.show_plan(planned.plan)
        if planned.warning:
            view.notify(planned.warning)
        if not options.auto_approve and not view.approve(planned.plan):
            return None
        with view.catch_signals() as is_cancelled:
            report = _restore_under_leases(planned, settings, options, view, client, is_cancelled)
    aliases_left = [a for a in planned.record.aliases if a not in planned.target.aliases]
    restored = RestoredCollection(
        planned.step.name, planned.record, tuple(aliases_left), managed=planned.target.is_managed
    )
    return RestoreResult(report, restored)


def _plan_restore(
    settings: Settings, options: RestoreOptions, client: NodeClient
) -> PlannedRestore:
    """Plan the restore of a recorded snapshot or of a set at a destination. Reads only."""
    now = datetime.now(UTC)
    settings = protected_settings(
        read_protection(settings, ledger.read_ledger(client), date.today())
    )
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
        settings,
        job,
        RestoreRequest(
            options.snapshot,
            options.source,
            settings.owners,
            options.at,
            cluster=options.cluster,
            ignore_verdict=options.ignore_verdict,
        ),
        now,
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
    """Acquire both leases, ensure that the plan is still the approved one, and restore.

    Without the leases an apply or a snapshot job could treat the incomplete collection as a
    managed one, and a job could remove the set that is being restored.
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
                guarded,
                view.report_progress,
                is_cancelled,
                progress=view.task_progress,
                wait_timeout=options.wait_timeout,
            )
            return run_restore(now, job, actor)
        finally:
            view.clear_progress()
