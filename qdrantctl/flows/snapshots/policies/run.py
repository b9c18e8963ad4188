"""The flow of `snapshots run`: plan what is due, and execute exactly that plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.engine.snapshots.policy_run import (
    LiveFacts,
    SetStep,
    due_collections,
    explain_run,
    plan_policy_run,
    removal_notices,
)
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution.context import (
    Bookkeeping,
    ChangeProgress,
    ExecutionContext,
    Performer,
    Performers,
    StepFailure,
)
from qdrantctl.flows.execution.execute import execute_plan
from qdrantctl.flows.snapshots.policies.backup import resume_set, source_is_gone, take_set
from qdrantctl.flows.snapshots.policies.progress import PolicyRun
from qdrantctl.flows.snapshots.policies.prune import remove_set
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.state.desired import DesiredState
from qdrantctl.flows.state.live import read_object_names
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import ClusterError, LeaseError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.report import Outcome, Report
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.model.step import Call, RemoveSet, ResumeSet, Step, TakeSet, collection_path


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """The plan of a run, and the data to execute it."""

    plan: Plan
    policies: tuple[AppliedPolicy, ...]
    entries: Mapping[Address, Mapping[str, Json]]
    """The ledger's entries, by address."""
    settings: Settings
    notices: Mapping[str, tuple[str, ...]]
    """What to say of a policy beside what is done, by its address."""


def plan_run(settings: Settings, job: JobContext, only: tuple[str, ...]) -> PlannedRun:
    """The plan for the applied policies, or those named. Reads only.

    Raises ClusterError, UsageError.
    """
    policies = tuple(read_policies(settings, job, only))
    ledger_contents = ledger.read_ledger(job.client)
    names = read_object_names(ledger_contents)
    planned = [_plan_change(policy, names, job) for policy in policies]
    plan = Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(job.client.server, ledger_contents.cluster_id),
        manifests_digest=DesiredState(Inventory(), ()).digest,
        changes=tuple(change for change, _ in planned),
    )
    notices = {change.address: told for change, told in planned}
    return PlannedRun(plan, policies, ledger_contents.entries, settings, notices)


def _plan_change(
    policy: AppliedPolicy, names: ObjectNames, job: JobContext
) -> tuple[Change, tuple[str, ...]]:
    """The change of a policy, and what to say beside it."""
    status, now = policy.status, job.client.server_time
    resumable = _resumable_sets(policy, job)
    due = due_collections(status, resumable, now)
    addresses = (Address("collection", name) for name in due)
    filled = {a.name for a in addresses if _has_points(names.object_name(a), job)}
    live = LiveFacts(resumable, filled)
    nodes = job.nodes if job.client.server.peers > 1 else ()
    steps = plan_policy_run(status, live, now, nodes)
    notices = removal_notices(status, steps, live, now)
    reasons = explain_run(status, steps, notices)
    change = Change(
        address=status.address,
        action=Action.RUN if reasons else Action.NOOP,
        cause=Cause.EDIT,
        because=reasons or _next_time(policy),
        steps=tuple(map(_as_step, steps)),
    )
    shared = (where.sharing_notice(status.owner) for where in status.destinations)
    return change, (*notices, *filter(None, shared))


def _next_time(policy: AppliedPolicy) -> str:
    after = policy.status.schedule.next
    return f"nothing is due before {after:%Y-%m-%d %H:%M} UTC" if after else "nothing is due"


def _as_step(step: SetStep) -> Step:
    match step:
        case TakeSet():
            return Step(snapshot=step)
        case ResumeSet():
            return Step(resume=step)
        case RemoveSet():
            return Step(remove=step)


def _resumable_sets(policy: AppliedPolicy, job: JobContext) -> set[str]:
    """The folders of sets to finish, so that no other set is taken for the same time.

    Otherwise frequent runs into a full store would also fill the disks of the servers.
    """
    return {
        item.folder
        for item in policy.sets.values()
        if item.state == "unfinished" and _may_be_resumed(item, job)
    }


def _may_be_resumed(snapshot_set: SnapshotSet, job: JobContext) -> bool:
    try:
        return snapshot_set.begun_manifest is not None and not source_is_gone(
            snapshot_set.begun_manifest, job
        )
    except QdrantctlError:
        return True  # unknown, so it is kept


def _has_points(collection: str, job: JobContext) -> bool:
    """Whether a collection has points; False where the server does not tell.

    A search for one point is exact, and allowed where strict mode forbids to count.
    """
    path = collection_path(collection, "points", "scroll")
    body = {"limit": 1, "with_payload": False, "with_vector": False}
    try:
        return bool(job.client.request(Call(method="POST", path=path, body=body))["points"])
    except ClusterError:
        return False


def execute_run(
    planned: PlannedRun, job: JobContext, on_outcome: Callable[[Outcome], None]
) -> Report:
    """Execute a run under the lease. A failure does not prevent the other steps.

    Raises LeaseError if another process has taken over the lease.
    """
    runs = PolicyRuns(
        {
            policy.status.address: PolicyRun(policy, planned.settings, job, planned.entries)
            for policy in planned.policies
        },
        planned.notices,
    )
    performers: Performers = {
        TakeSet: runs.performer(take_set),
        ResumeSet: runs.performer(resume_set),
        RemoveSet: runs.performer(remove_set),
    }
    bookkeeping = Bookkeeping(verify=runs.add_results, can_start=runs.can_start)
    context = ExecutionContext(job, on_outcome=on_outcome)
    report = execute_plan(planned.plan, context, performers, bookkeeping, command="snapshots run")
    if runs.lease_error:
        raise runs.lease_error
    return report


@dataclass(slots=True)
class PolicyRuns:
    """The runs of all policies of a plan, by address."""

    runs: Mapping[str, PolicyRun]
    notices: Mapping[str, tuple[str, ...]]
    lease_error: LeaseError | None = None
    """Set once the lease is lost: no further step is executed."""

    def performer(self, perform: Callable[[Any, PolicyRun], None]) -> Performer:
        """The performer of a type of step, called with the run of the step's policy."""

        def perform_step(step: Any, progress: ChangeProgress, _: ExecutionContext) -> None:
            try:
                perform(step, self.runs[progress.change.address])
            except LeaseError as error:
                self.lease_error = error
                raise

        return perform_step

    def add_results(self, progress: ChangeProgress, _: StepFailure | None) -> None:
        """Add the results of the steps, and the errors that prevented planning others."""
        result = self.runs[progress.change.address].progress
        progress.taken += result.taken
        progress.removed += result.removed
        progress.errors += filter(None, [result.error])
        progress.note = "; ".join(self.notices[progress.change.address])

    def can_start(self, _: Change, __: Sequence[Outcome], context: ExecutionContext) -> bool:
        """Whether a policy's run may start; failed runs of other policies do not prevent it."""
        return not (self.lease_error or context.is_cancelled())
