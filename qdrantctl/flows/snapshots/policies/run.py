"""The flow of `snapshots run`: what is due, as a plan, and doing that and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.engine.snapshots.policy_run import (
    LiveFacts,
    SetStep,
    due_collections,
    explain_run,
    plan_policy_run,
)
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.snapshots.policies.backup import resume_set, source_is_gone, take_set
from qdrantctl.flows.snapshots.policies.progress import PolicyRun
from qdrantctl.flows.snapshots.policies.prune import remove_set
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.state.desired import Desired
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.model.step import Call, RemoveSet, ResumeSet, Step, TakeSet, collection_path


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that is planned."""

    plan: Plan
    policies: tuple[AppliedPolicy, ...]
    entries: Mapping[Address, Mapping[str, Json]]
    """The ledger's, by address."""
    settings: Settings


def plan_run(settings: Settings, work: Work, only: tuple[str, ...]) -> PlannedRun:
    """What is due by the applied policies, or those named. Reads only.

    Raises ClusterError, UsageError.
    """
    policies = tuple(read_policies(settings, work, only))
    memory = ledger.read(work.door)
    plan = Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(work.door.server, memory.cluster_id),
        manifests_digest=Desired(Inventory(), ()).digest,
        changes=tuple(_plan_change(policy, work) for policy in policies),
    )
    return PlannedRun(plan, policies, memory.entries, settings)


def _plan_change(policy: AppliedPolicy, work: Work) -> Change:
    status, now = policy.status, work.door.now
    resumable = _resumable_sets(policy, work)
    due = due_collections(status, resumable, now)
    live = LiveFacts(resumable, {name for name in due if _has_points(name, work)})
    nodes = work.nodes if work.door.server.peers > 1 else ()
    steps = plan_policy_run(status, live, now, nodes)
    reasons = explain_run(status, steps)
    return Change(
        address=status.address,
        action=Action.RUN if reasons else Action.NOOP,
        cause=Cause.EDIT,
        because=reasons or _next_time(policy),
        steps=tuple(map(_step, steps)),
    )


def _next_time(policy: AppliedPolicy) -> str:
    after = policy.status.schedule.next
    return f"nothing is due before {after:%Y-%m-%d %H:%M} UTC" if after else "nothing is due"


def _step(step: SetStep) -> Step:
    match step:
        case TakeSet():
            return Step(snapshot=step)
        case ResumeSet():
            return Step(resume=step)
        case RemoveSet():
            return Step(remove=step)


def _resumable_sets(policy: AppliedPolicy, work: Work) -> set[str]:
    """The folders of sets that are to be finished, so that no other is taken for the same time.

    Else a run into a full store every few minutes would fill the disks of the servers, too.
    """
    return {each.folder for each in policy.sets.values()
            if each.state == "unfinished" and _may_be_resumed(each, work)}  # fmt: skip


def _may_be_resumed(each: SnapshotSet, work: Work) -> bool:
    try:
        return each.begun_manifest is not None and not source_is_gone(each.begun_manifest, work)
    except QdrantctlError:
        return True  # as long as it is unknown


def _has_points(collection: str, work: Work) -> bool:
    """Whether a collection has points; where the server does not tell, it counts as empty."""
    try:
        path = collection_path(collection)
        return bool(work.door.ask(Call(method="GET", path=path)).get("points_count"))
    except ClusterError:
        return False


def execute_run(planned: PlannedRun, work: Work, on_outcome: Callable[[Outcome], None]) -> Report:
    """Carry a run out, under the lease. What fails leaves the rest of it alone."""
    outcomes = []
    for policy, change in zip(planned.policies, planned.plan.changes, strict=True):
        outcomes.append(_run_policy(policy, change, planned, work))
        on_outcome(outcomes[-1])
    return Report.of(planned.plan, outcomes, command="snapshots run", interrupted=work.stop())


def _run_policy(policy: AppliedPolicy, change: Change, planned: PlannedRun, work: Work) -> Outcome:
    started = time.monotonic()
    run = PolicyRun(policy, planned.settings, work, planned.entries)
    if change.action is Action.RUN and not work.stop():
        for step in change.steps:
            if isinstance(step.snapshot, TakeSet):
                take_set(step.snapshot, run)
            elif isinstance(step.resume, ResumeSet):
                resume_set(step.resume, run)
            elif isinstance(step.remove, RemoveSet):
                remove_set(step.remove, run)
    progress = run.progress
    status = Status.DONE if change.action is Action.RUN else Status.NOOP
    status = Status.NOT_REACHED if work.stop() and not progress.errors else status
    return Outcome(
        address=change.address,
        action=change.action,
        status=Status.FAILED if progress.errors else status,
        error=progress.error,
        seconds=round(time.monotonic() - started, 3),
        taken=tuple(progress.taken),
        removed=tuple(progress.removed),
    )
