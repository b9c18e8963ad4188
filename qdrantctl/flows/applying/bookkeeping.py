"""The bookkeeping of an apply around the steps of its changes: checks, ledger, read-back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from threading import Lock

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.system import git
from qdrantctl.engine.planning.order import list_predecessors
from qdrantctl.engine.planning.safety_snapshot import points_at_risk
from qdrantctl.flows.applying.recheck import find_new_problems, takes_away
from qdrantctl.flows.cluster.nodes import JobContext, collection_exists
from qdrantctl.flows.execution.combining import Combiner, ListSharingClient
from qdrantctl.flows.execution.context import (
    Bookkeeping,
    ChangeProgress,
    ExecutionContext,
    Performers,
    StepFailure,
)
from qdrantctl.flows.execution.execute import execute_plan
from qdrantctl.flows.execution.pool import TaskOrder
from qdrantctl.flows.execution.read_back import CONVERGENCE_TIMEOUT, Expected, read_back
from qdrantctl.flows.execution.send import send_call
from qdrantctl.flows.planning.plan import PlanResult
from qdrantctl.flows.replacement.run import remove_digests, remove_record
from qdrantctl.flows.snapshots.restore.way_back import take_proven_snapshot
from qdrantctl.flows.state.checkout import find_uncommitted_files
from qdrantctl.flows.state.ledger_entry import applied_entry, new_ledger_entry, pending_entry
from qdrantctl.flows.state.live import read_live
from qdrantctl.flows.state.protection import write_protection
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import ReadRequest
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.report import Outcome, Report
from qdrantctl.model.resource import Inventory, Resource, is_recreated
from qdrantctl.model.step import Call, Snapshot

_BY_RECORD = (Action.CREATE, Action.UPDATE, Action.DELETE)


def apply_plan(
    planned: PlanResult,
    job: JobContext,
    actor: Actor,
    on_outcome: Callable[[Outcome], None],
    parallelism: int,
) -> Report:
    """Execute the plan of an apply, `parallelism` changes at once that do not depend on each other.

    The report has the outcome of each change. Raises ClusterError if the ledger cannot be created;
    no resource was changed then.
    """
    context = ExecutionContext(job, planned.cluster_state.live, on_outcome)
    records = ApplyRecords(planned, context, actor)
    bookkeeping = Bookkeeping(
        start=records.start,
        check=records.ensure_unchanged,
        begin=records.write_pending,
        verify=records.read_back,
        finish=records.write_applied,
    )
    performers: Performers = {Call: send_call, Snapshot: records.take_snapshot}
    before = list_predecessors(
        planned.plan.changes, planned.desired.inventory, planned.cluster_state.live, BY_NAME
    )
    order = TaskOrder(before, parallelism)
    report = execute_plan(planned.plan, context, performers, bookkeeping, order=order)
    if report.is_complete and planned.protection.change == "unprotect":
        write_protection(context.client, planned.protection, actor)
    return report


def find_applied_commit(planned: PlanResult, actor: Actor) -> str:
    """The commit that has the applied manifests and consents; empty if none has them.

    Without git it is the commit that the variables of the CI name.
    """
    stated, reviewed = planned.protection.stated, planned.protection.reviewed
    uncommitted = find_uncommitted_files(stated, planned.desired.inventory)
    if uncommitted is None:
        return actor.commit
    has_consents = planned.settings.protected and planned.settings.consents
    if has_consents and git.head_contains(stated.root, reviewed.commit) is False:
        return ""  # the consents are of another branch
    if isinstance(planned.plan.commit, str):
        return planned.plan.commit
    of_files = stated.partial and not uncommitted
    return git.resolve_commit(stated.root, git.HEAD) if of_files else ""


class ApplyRecords:
    """The ledger entries of changes before, during and after their execution.

    Changes that are executed at once write theirs in one request, and read the lists of the server
    from one answer.
    """

    def __init__(self, planned: PlanResult, context: ExecutionContext, actor: Actor) -> None:
        self.planned = planned
        self.context = context
        self.actor = actor
        self._cluster_id = ""
        self._entries = Combiner(partial(ledger.write_entries, context.client))
        self._reader = ListSharingClient(context.client)
        self._taking_snapshot = Lock()

    def start(self) -> None:
        """Record that the owner is protected, before its first change. Raises ClusterError."""
        self._cluster_id = ledger.read_cluster_id(self.context.client)
        if self.planned.protection.change == "protect":
            write_protection(self.context.client, self.planned.protection, self.actor)

    def take_snapshot(
        self, step: Snapshot, progress: ChangeProgress, context: ExecutionContext
    ) -> None:
        """Take a safety snapshot. One at a time: each reads and writes a whole collection."""
        with self._taking_snapshot:
            take_proven_snapshot(step, progress, context)

    def ensure_unchanged(self, progress: ChangeProgress) -> None:
        """Raises ClusterError if the change would destroy data added since the plan was made."""
        change = progress.change
        planned = self.context.live.get(change.parsed_address)
        losing = [field for field in change.fields if field.destroys_data]
        if planned is None or not (change.destroys or losing or takes_away(change)):
            return
        now = self._read_live(change)
        if now is None:
            return
        if is_recreated(planned.facts, now.facts):
            reason = "it was deleted and recreated since"
        elif now.facts.points and planned.facts.points == 0 and change.destroys:
            reason = f"points were added since: {now.facts.points}"
        elif keys := [
            field
            for field in losing
            if points_at_risk(planned, field) == 0 != points_at_risk(now, field)
        ]:
            reason = f"points were added since, under {keys[0].path[1]!r}"
        elif problems := find_new_problems(self.planned, change, now, self.context.client):
            reason = problems[0]
        else:
            return
        raise ClusterError(
            f"{change.address} changed since the plan was made: {reason}", hint="Plan again."
        )

    def write_pending(self, progress: ChangeProgress) -> None:
        """Record the pending change and its snapshot in the ledger. Raises ClusterError.

        A kind of which a change is one request needs no such record: it is done, or it is not.
        """
        if progress.snapshot:  # data may have been added during the snapshot
            self.ensure_unchanged(progress)
        change, owner = progress.change, self.planned.settings.owner
        live = self.context.live.get(change.parsed_address)
        progress.entry = pending_entry(change, self._entry(change), live, owner, progress.snapshot)
        if not BY_NAME[change.parsed_address.kind].is_atomic:
            self._entries.submit(progress.entry)

    def read_back(self, progress: ChangeProgress, _: StepFailure | None) -> None:
        """Read the resource back and compare it. Raises ClusterError."""
        change, planned = progress.change, self.planned
        if change.retires:
            self._ensure_retired(progress)
            return
        if not change.steps and change.action in _BY_RECORD:
            # The resource exists only in the ledger, not on the server.
            if change.action is not Action.DELETE:
                progress.live = planned.desired.inventory.get(change.parsed_address)
            return
        expected = Expected(
            planned.desired.inventory,
            planned.today,
            planned.cluster_state.remembered,
            planned.cluster_state.names,
            planned.cluster_state.owners,
        )
        progress.live, progress.missed = read_back(change, expected, self._reader)

    def _ensure_retired(self, progress: ChangeProgress) -> None:
        """Read back that the old collection of a replacement is gone. Raises ClusterError."""
        address = progress.change.parsed_address
        old = self.planned.cluster_state.replacements[address].old.name
        gone = poll(
            lambda: not collection_exists(self.context.client, old), timeout=CONVERGENCE_TIMEOUT
        )
        progress.live = self.context.live.get(address)
        progress.missed = () if gone else (f"{old} still exists",)

    def write_applied(self, progress: ChangeProgress) -> None:
        """Record the applied change in the ledger. Raises ClusterError."""
        change, client = progress.change, self.context.client
        before = progress.entry or self._entry(change)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        entry = applied_entry(change, before, progress.live, client.server, self.actor, when)
        entry |= {"cluster_id": self._cluster_id, "url": client.server.url}
        self._entries.submit(entry)
        if change.retires:
            remove_record(client, change.parsed_address)
            record = self.planned.cluster_state.replacements[change.parsed_address]
            remove_digests(self.planned.settings.root, record)

    def _entry(self, change: Change) -> Mapping[str, Json]:
        """The ledger's entry before the change."""
        return self.planned.cluster_state.ledger_entry(change.parsed_address) or new_ledger_entry(
            change, self.planned.settings.owner
        )

    def _read_live(self, change: Change) -> Resource | None:
        only = frozenset({change.parsed_address})
        state = self.planned.cluster_state
        request = ReadRequest(
            self.planned.desired.inventory,
            Inventory(),
            details=only,
            counted=only,
            only=only,
            names=state.names,
            owners=state.owners,
        )
        return read_live(self.context.client, request).get(change.parsed_address)
