"""Carry out the replacements of a plan, each under the lease of replacements.

Filling a collection may take hours. The lease of applies is held only for the moments in which
another apply must not run: the beginning, and the switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution.context import ExecutionContext
from qdrantctl.flows.execution.execute import execute_plan
from qdrantctl.flows.lease import LeaseWait, hold_lease
from qdrantctl.flows.replacement.bookkeeping import bookkeeping_of, performers_of
from qdrantctl.flows.replacement.run import ReplacementRun
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Change
from qdrantctl.model.client import NodeClient
from qdrantctl.model.lease import replacements_owner
from qdrantctl.model.plan import Plan
from qdrantctl.model.progress import TaskProgress
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.report import Outcome, Report

PROJECT_WAIT = 600.0
"""Seconds to wait for another apply before the switch."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator of a run: who it is, what is shown, and whether it is to end."""

    actor: Actor
    notify: Callable[[str], None]
    report_progress: Callable[[str], None]
    progress: TaskProgress
    is_cancelled: Callable[[], bool]
    on_outcome: Callable[[Outcome], None]
    lease_timeout: float = 0.0
    """Seconds to wait for another run of replacements."""
    wait_timeout: float | None = None
    """Seconds to wait for an index, and for another program to fill a collection."""


def run_replacement(
    change: Change,
    record: ReplacementRecord,
    plan: Plan,
    settings: Settings,
    client: RestClient,
    operator: Operator,
) -> Report:
    """Carry out one replacement of a plan. Raises LeaseError while another run holds the lease."""
    wait = LeaseWait(operator.lease_timeout, operator.notify, operator.is_cancelled)
    owner = replacements_owner(settings.owner)
    with (
        hold_lease(client, owner, operator.actor, wait) as guarded,
        closing(prepare_run(record, settings, client, guarded, operator)) as run,
    ):
        return execute_plan(
            plan.model_copy(update={"changes": (change,), "prepare": ()}),
            ExecutionContext(run.job, on_outcome=operator.on_outcome),
            performers_of(run),
            bookkeeping_of(run),
        )


def prepare_run(
    record: ReplacementRecord,
    settings: Settings,
    client: RestClient,
    guarded: NodeClient,
    operator: Operator,
) -> ReplacementRun:
    """A run of a replacement; `guarded` writes under the lease of replacements."""

    @contextmanager
    def hold_project() -> Iterator[NodeClient]:
        wait = LeaseWait(PROJECT_WAIT, operator.notify, operator.is_cancelled)
        with hold_lease(client, settings.owner, operator.actor, wait) as project:
            yield project

    job = JobContext(
        guarded,
        operator.report_progress,
        operator.is_cancelled,
        nodes=settings.nodes,
        progress=operator.progress,
        wait_timeout=operator.wait_timeout,
    )
    return ReplacementRun(record, job, settings, operator.actor, hold_project)
