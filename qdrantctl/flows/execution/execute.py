"""The execution of a plan: exactly its steps, those of a change in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.internal_replicas import create_replica, is_replica_request
from qdrantctl.flows.execution.context import (
    Bookkeeping,
    ChangeProgress,
    ExecutionContext,
    Performers,
    StepFailure,
)
from qdrantctl.flows.execution.pool import ONE_BY_ONE, TaskOrder, run_tasks
from qdrantctl.flows.execution.send import carry_out
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import Client, get_or_none
from qdrantctl.model.errors import (
    MISREAD,
    ClusterError,
    QdrantctlError,
    StaleError,
    unexpected_error,
)
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import Plan
from qdrantctl.model.polling import poll
from qdrantctl.model.report import Command, Outcome, OutcomeStatus, Report
from qdrantctl.model.snapshots.snapshot import restore_command
from qdrantctl.model.step import Call, list_calls

SETTLING = 2.0
"""Seconds until every node knows a collection that one of them has created."""


def execute_plan(
    plan: Plan,
    context: ExecutionContext,
    performers: Performers,
    bookkeeping: Bookkeeping,
    *,
    command: Command = "apply",
    order: TaskOrder = ONE_BY_ONE,
) -> Report:
    """Execute the plan. The report has the outcome of each change, in the order of the plan.

    `order` numbers the changes of the plan. Once one has failed no other is started, and those
    under way end. Raises ClusterError if the ledger cannot be created; no resource was changed
    then.
    """
    _create_ledger(plan, context)
    bookkeeping.start()
    outcomes = Outcomes(context.on_outcome)
    total = sum(change.action is not Action.NOOP for change in plan.changes)

    def start(number: int) -> Callable[[], Outcome] | Outcome:
        change = plan.changes[number]
        if change.action is Action.NOOP:
            return _make_outcome(change, OutcomeStatus.NOOP)
        if not bookkeeping.can_start(change, outcomes.ended, context):
            return _make_outcome(change, OutcomeStatus.NOT_REACHED)
        context.job.report_progress(f"{change.address}: {change.action}")
        return partial(_execute_change, change, plan, context, performers, bookkeeping)

    def end(number: int, outcome: Outcome) -> None:
        outcomes.add(number, outcome)
        if total > 1 and outcome.status is not OutcomeStatus.NOOP:
            context.job.progress.show_amount(command, outcomes.worked, total, "changes")

    run_tasks(len(plan.changes), order, start, end)
    context.job.progress.end_task(command)
    return Report.of(plan, outcomes.ordered, command=command, interrupted=context.is_cancelled())


class Outcomes:
    """The outcomes of changes that may end in any order; each is told after all before it."""

    def __init__(self, on_outcome: Callable[[Outcome], None]) -> None:
        self._on_outcome = on_outcome
        self._by_number: dict[int, Outcome] = {}
        self._told = 0
        self.ended: list[Outcome] = []
        """Those so far, in the order in which the changes ended."""
        self.worked = 0
        """The number of those so far that are no noop."""

    @property
    def ordered(self) -> list[Outcome]:
        """Those so far, in the order of the plan."""
        return [outcome for _, outcome in sorted(self._by_number.items())]

    def add(self, number: int, outcome: Outcome) -> None:
        """Take the outcome of a change; tell it once it is its turn. A noop is not told."""
        self._by_number[number] = outcome
        self.ended.append(outcome)
        self.worked += outcome.status is not OutcomeStatus.NOOP
        while (next_outcome := self._by_number.get(self._told)) is not None:
            self._told += 1
            if next_outcome.status is not OutcomeStatus.NOOP:
                self._on_outcome(next_outcome)


def _create_ledger(plan: Plan, context: ExecutionContext) -> None:
    """Create the ledger if the plan contains that; another process may have been first.

    A replica that cannot be created stops nothing: the next plan has it again.
    """
    client = context.client
    for call in list_calls(plan.prepare):
        try:
            if is_replica_request(call):
                create_replica(client, call)
            else:
                carry_out(call, context.job)
        except ClusterError as error:
            if call.method != "PUT":  # a replica of a collection that exists
                context.job.report_progress(error.line)
                continue
            if not (error.conflict or _has_created(call, error, client)):
                raise
            if call == ledger.ledger_creation_request(client.server):
                _check_ledger_is_new(plan, client)
    if plan.summary.changes and plan.server.cluster_id is ABSENT:
        contents = ledger.read_ledger(client)
        if contents.exists and not contents.cluster_id:
            ledger.write_cluster_id(client, str(uuid4()))


def _has_created(call: Call, error: ClusterError, client: Client) -> bool:
    """Whether a request that failed has created its collection nevertheless."""
    parts = call.path.split("/")
    if not error.outcome_unknown or call.method != "PUT" or len(parts) != 3:
        return False
    return get_or_none(client, Call(method="GET", path=call.path)) is not None


def _check_ledger_is_new(plan: Plan, client: Client) -> None:
    """Raises StaleError if the ledger, which the plan found absent, holds what the plan needs.

    Another owner's first apply may have created it at the same time; that changes nothing here.
    """
    contents = poll(lambda: ledger.read_ledger(client), lambda read: read.exists, timeout=SETTLING)
    planned = {change.address for change in plan.changes}
    concerned = contents is None or any(
        entry["owner"] == plan.owner or str(address) in planned
        for address, entry in contents.entries.items()
    )
    if concerned:
        raise StaleError(
            f"{client.server.url}: the ledger exists, but it was not found when the plan was made",
            why="The plan does not know what the ledger says of its resources. No changes were "
            "made.",
            hint="Plan again, and apply that plan.",
        )


def _execute_change(
    change: Change,
    plan: Plan,
    context: ExecutionContext,
    performers: Performers,
    bookkeeping: Bookkeeping,
) -> Outcome:
    started = time.monotonic()
    progress = ChangeProgress(change)
    try:
        failure = _perform_steps(progress, context, performers, bookkeeping)
        if failure:
            context.failing.set()
        bookkeeping.verify(progress, failure)
        if failure:
            progress.errors.append(failure.what)
        elif not (progress.missed or progress.errors):
            bookkeeping.finish(progress)
    except QdrantctlError as error:
        progress.errors.append(error.line)
    except MISREAD as error:
        progress.errors.append(unexpected_error(error).line)
    if progress.errors:
        context.failing.set()
    return _outcome_of(progress, plan.environment, round(time.monotonic() - started, 3))


def _perform_steps(
    progress: ChangeProgress,
    context: ExecutionContext,
    performers: Performers,
    bookkeeping: Bookkeeping,
) -> StepFailure | None:
    """Perform the steps, up to the first that fails. Raises QdrantctlError."""
    steps = [step.value for step in progress.change.steps]
    if not steps:
        return None
    try:
        bookkeeping.check(progress)
        for number, step in enumerate(steps):
            if not (step.is_preparatory or progress.is_begun):
                bookkeeping.begin(progress)
                progress.is_begun = True
            if number and context.is_cancelled():
                return StepFailure(f"interrupted after {number} of {len(steps)} steps")
            performers[type(step)](step, progress, context)
    except StepFailure as failure:
        return failure
    except QdrantctlError as error:
        if steps[0].is_preparatory and not progress.is_begun:
            hint = f"Nothing of {progress.change.address} was destroyed."
            error.hint = f"{error.hint} {hint}".strip()
        raise
    return None


def _make_outcome(change: Change, status: OutcomeStatus) -> Outcome:
    return Outcome(
        address=change.address, action=change.action, counted_as=_counted_as(change), status=status
    )


def _counted_as(change: Change) -> Any:
    """The action that summaries count, where it is another one.

    A replacement without downtime destroys nothing.
    """
    if change.action is Action.REPLACE and not change.destroys:
        return Action.CREATE
    return change.counted_as if change.counted_as is not change.action else ABSENT


def _outcome_of(progress: ChangeProgress, environment: str, seconds: float) -> Outcome:
    change, restore_point = progress.change, progress.restore_point
    status = OutcomeStatus.NOT_TAKEN if progress.missed else OutcomeStatus.DONE
    may_be_destroyed = progress.is_begun and restore_point
    return Outcome(
        address=change.address,
        action=change.action,
        counted_as=_counted_as(change),
        status=OutcomeStatus.FAILED if progress.errors else status,
        error=" ".join(progress.errors),
        missed=progress.missed,
        note=progress.note,
        way_back=restore_command(change.parsed_address, restore_point, environment)
        if may_be_destroyed
        else "",
        seconds=seconds,
        taken=tuple(progress.taken),
        removed=tuple(progress.removed),
    )
