"""The flow of `apply`: plan, approve, acquire the lease, plan again, compare, execute, wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.ledger import read_cluster_id, read_ledger
from qdrantctl.engine.planning.plan_comparison import is_same_work
from qdrantctl.flows.applying.bookkeeping import apply_plan, find_applied_commit
from qdrantctl.flows.applying.parts import merge_reports, record_of, split_plan
from qdrantctl.flows.cluster.connect import connect
from qdrantctl.flows.cluster.indexing import WAIT_TIMEOUT, IndexState, wait_until_indexed
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.lease import LeaseWait, current_actor, hold_lease, wait_for_sign_of_life
from qdrantctl.flows.planning.plan import PlanOptions, PlanResult, make_plan_for
from qdrantctl.flows.planning.saved_plan import recheck_saved_plan
from qdrantctl.flows.replacement.replace import Operator, run_replacement
from qdrantctl.flows.state.checkout_age import OLDER
from qdrantctl.flows.state.committed import (
    CommittedState,
    check_lock,
    refresh_lock,
    with_locked_versions,
)
from qdrantctl.flows.state.desired import DesiredState, load_desired_state
from qdrantctl.flows.state.live import read_object_names
from qdrantctl.flows.state.protection import write_protection
from qdrantctl.model.actor import Actor
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import BlockedError, StaleError
from qdrantctl.model.lease import replacements_owner
from qdrantctl.model.plan import Plan
from qdrantctl.model.progress import TaskProgress
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.step import Call

_INDEXED_AFTER = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.ADOPT)
"""Actions after which the server may index a collection again."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """Options of an apply."""

    planning: PlanOptions = field(default_factory=PlanOptions)
    saved: Plan | None = None
    """A plan that was approved when it was saved. Of `planning` only consents and gates count then.
    """
    auto_approve: bool = False
    lease_timeout: float = 0
    """Seconds to wait while another apply is running."""
    locked: bool | None = None
    """True rejects out-of-date committed state, False refreshes it; None is the default."""
    wait: bool = False
    """Whether to wait until collections are indexed."""
    wait_timeout: float | None = None
    """Seconds to wait for what the server builds in the background; None for the defaults."""
    parallelism: int = 1
    """How many changes are carried out at once."""


class ApplyView(Protocol):
    """Output and prompts of an apply."""

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
        """Show the plan."""

    def approve(self, plan: Plan) -> bool:
        """Whether the operator approves the plan that was shown."""

    def catch_signals(self) -> AbstractContextManager[Callable[[], bool]]:
        """Turn signals into cancellation until the block ends; returns a check for it."""

    def show_outcome(self, outcome: Outcome) -> None:
        """Show the outcome of one change."""

    def show_report(self, report: Report) -> None:
        """Show the report of the plan."""

    def show_indexing(self, state: IndexState) -> None:
        """Show the indexing progress of a collection."""


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """Result of an apply."""

    report: Report | None = None
    """None if the operator did not approve the plan."""
    unindexed: tuple[str, ...] = ()
    """What is to be said of collections that were waited for and are not fully indexed."""
    wait_incomplete: bool = False
    """Whether one of them is not green."""
    wait_interrupted: bool = False


def apply_changes(
    settings: Settings,
    options: ApplyOptions,
    view: ApplyView,
    on_request: Callable[[Call, int, float], None] | None = None,
) -> ApplyResult:
    """Apply the manifests or the saved plan to the cluster.

    Raises BlockedError or StaleError if the plan may not be applied, LeaseError while another
    apply is running, and ManifestError, StateError, ClusterError.
    """
    desired, state = _load_desired_state(settings, options, view)
    with connect(settings, on_request) as client:
        owner = replacements_owner(settings.owner)
        wait_for_sign_of_life(client, owner, options.lease_timeout, view.notify)
        planned = _make_plan(settings, options, view, client, desired)
        view.show_plan(planned.plan)
        ensure_applicable(planned.plan)
        if not (planned.plan.has_work or planned.protection.change):
            return _finish_apply(Report.of(planned.plan), state, client, view)
        if not (_needs_no_approval(planned, options) or view.approve(planned.plan)):
            return ApplyResult()
        with view.catch_signals() as is_cancelled:
            report = _carry_out(planned, desired, options, view, client, is_cancelled)
            result = _finish_apply(report, state, client, view)
            if not (options.wait and report.is_complete):
                return result
            return _wait_for_indexes(report, options, view, client, is_cancelled)


def _wait_for_indexes(
    report: Report,
    options: ApplyOptions,
    view: ApplyView,
    client: NodeClient,
    is_cancelled: Callable[[], bool],
) -> ApplyResult:
    """Wait until the server has indexed what was changed, as long as that can come."""
    timeout = WAIT_TIMEOUT if options.wait_timeout is None else options.wait_timeout
    names = read_object_names(read_ledger(client))
    states = wait_until_indexed(
        client, _reindexed_collections(report), names, timeout, view.show_indexing, is_cancelled
    )
    view.clear_progress()
    return ApplyResult(
        report,
        tuple(state.describe(timeout) for state in states),
        wait_incomplete=not all(state.is_green for state in states),
        wait_interrupted=is_cancelled(),
    )


def _needs_no_approval(planned: PlanResult, options: ApplyOptions) -> bool:
    """Whether the operator approved before, or the ledger only gets to know a protection."""
    only_protects = not planned.plan.summary.changes and planned.protection.change == "protect"
    return bool(options.saved) or options.auto_approve or only_protects


def ensure_applicable(plan: Plan) -> None:
    """Raise if the plan may not be applied: one blocked change blocks all.

    StaleError for a checkout that is behind the last apply, else BlockedError.
    """
    if behind := [violation for violation in plan.blocking if violation.rule == OLDER]:
        raise StaleError(
            "this checkout is behind the last apply; no changes were made",
            why="\n  ".join(violation.message for violation in behind),
            hint=behind[0].hint,
        )
    if not plan.is_applicable:
        raise BlockedError(
            "this plan cannot be applied; no changes were made",
            hint="Resolve the problems above, or omit a change with --exclude ADDRESS.",
        )


def _load_desired_state(
    settings: Settings, options: ApplyOptions, view: ApplyView
) -> tuple[DesiredState | None, CommittedState | None]:
    """The desired state, and the committed state that is refreshed when all of it is applied.

    Neither for a saved plan, unless the environment is protected: then its manifests are compared.
    """
    if options.saved and not (options.locked or settings.protected):
        return None, None
    view.report_progress("reading manifests")
    try:
        if options.planning.selection.destroy:  # it applies no manifest, so the state stays
            return with_locked_versions(settings, load_desired_state(settings)), None
        desired, state = check_lock(settings, locked=options.locked)
    finally:
        view.clear_progress()
    return desired, None if options.saved else state


def _make_plan(
    settings: Settings,
    options: ApplyOptions,
    view: ApplyView,
    client: NodeClient,
    desired: DesiredState | None,
) -> PlanResult:
    """The saved plan, if it still matches the cluster, or a plan for the desired state."""
    today = date.today()
    try:
        if options.saved:
            return recheck_saved_plan(
                options.saved,
                settings,
                options.planning,
                client,
                today,
                view.report_progress,
                desired,
            )
        assert desired is not None
        return make_plan_for(
            desired, settings, options.planning, client, today, view.report_progress
        )
    finally:
        view.clear_progress()


def _carry_out(
    planned: PlanResult,
    desired: DesiredState | None,
    options: ApplyOptions,
    view: ApplyView,
    client: RestClient,
    is_cancelled: Callable[[], bool],
) -> Report:
    """Plan again under the lease, as another apply may just have ended, and execute the plan.

    Replacements without downtime come after the lease is released, and what depends on them last.
    """
    settings = planned.protection.stated
    actor = current_actor(settings)
    wait = LeaseWait(options.lease_timeout, view.notify, is_cancelled)

    def apply_part(now: PlanResult, guarded: NodeClient, actor: Actor) -> Report:
        job = JobContext(
            guarded,
            view.report_progress,
            is_cancelled,
            progress=view.task_progress,
            wait_timeout=options.wait_timeout,
        )
        return apply_plan(now, job, actor, view.show_outcome, options.parallelism)

    with hold_lease(client, settings.owner, actor, wait) as guarded:
        now = _make_plan(settings, options, view, guarded, desired)
        same = is_same_work(planned.plan.changes, now.plan.changes)
        if not (same and now.plan.is_applicable):
            _accept_changed_plan(now.plan, options, view)
        actor = replace(actor, commit=find_applied_commit(now, actor))
        if not now.plan.has_work:
            write_protection(guarded, now.protection, actor)
            return Report.of(now.plan)
        first, beside, last = split_plan(now.plan)
        report = apply_part(replace(now, plan=first), guarded, actor)
    if not beside:
        return report
    operator = Operator(
        actor,
        view.notify,
        view.report_progress,
        view.task_progress,
        is_cancelled,
        view.show_outcome,
        options.lease_timeout,
        options.wait_timeout,
    )
    reports = [report, *_replace_beside(now, beside, report, settings, client, operator)]
    if last.changes and all(earlier.is_complete for earlier in reports):
        with hold_lease(client, settings.owner, actor, wait) as guarded:
            reports.append(apply_part(replace(now, plan=last), guarded, actor))
    return merge_reports(now.plan, reports)


def _replace_beside(
    planned: PlanResult,
    changes: tuple[Change, ...],
    report: Report,
    settings: Settings,
    client: RestClient,
    operator: Operator,
) -> Iterator[Report]:
    """Carry out replacements without downtime, up to the first that is not completed."""
    for change in changes:
        if not report.is_complete:
            return
        record = record_of(change, planned)
        report = run_replacement(change, record, planned.plan, settings, client, operator)
        yield report


def _accept_changed_plan(plan: Plan, options: ApplyOptions, view: ApplyView) -> None:
    """Raise for a plan that differs from the approved one, unless approval is automatic."""
    if not options.auto_approve:
        raise StaleError(
            "the cluster changed after you approved the plan; no changes were made",
            hint="Run apply again and review the new plan.",
        )
    view.notify("The cluster changed meanwhile. This is the new plan:")
    view.show_plan(plan)
    ensure_applicable(plan)


def _finish_apply(
    report: Report, state: CommittedState | None, client: NodeClient, view: ApplyView
) -> ApplyResult:
    """Show the report. The committed state follows what was applied, and only that."""
    view.show_report(report)
    if state and report.is_complete and (note := refresh_lock(state, read_cluster_id(client))):
        view.notify(f"Note: {note}")
    return ApplyResult(report)


def _reindexed_collections(report: Report) -> list[Address]:
    """The collections that the server may have to index again."""
    return [
        Address.parse(outcome.address)
        for outcome in report.outcomes
        if outcome.status is OutcomeStatus.DONE
        and outcome.action in _INDEXED_AFTER
        and outcome.address.startswith("collection/")
    ]
