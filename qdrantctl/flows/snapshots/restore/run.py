"""Execute a restore: the performer of `Restore`, and the ledger entries during it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.indexing import index_timeout, wait_for_index
from qdrantctl.flows.cluster.nodes import JobContext, collection_exists
from qdrantctl.flows.execution.context import (
    Bookkeeping,
    ChangeProgress,
    ExecutionContext,
    Performers,
    StepFailure,
)
from qdrantctl.flows.execution.execute import execute_plan
from qdrantctl.flows.execution.read_back import Expected, read_back
from qdrantctl.flows.execution.send import send_call
from qdrantctl.flows.snapshots.restore.plan import PlannedRestore
from qdrantctl.flows.snapshots.restore.target import (
    delete_upload_copies,
    read_existing,
    settings_differences,
    wait_until_deleted,
)
from qdrantctl.flows.snapshots.restore.upload import (
    poll_until_clean,
    upload_and_verify,
)
from qdrantctl.flows.snapshots.restore.way_back import (
    forget_snapshot_on_error,
    prove_restorable,
    take_proven_snapshot,
)
from qdrantctl.flows.state.ledger_entry import applied_entry, new_ledger_entry, pending_entry
from qdrantctl.kinds.collection.steps import settings_after_creation
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Change
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.snapshots.snapshot import UnfinishedRestore, find_unfinished_restore
from qdrantctl.model.step import Call, Restore, Snapshot, collection_path


def run_restore(planned: PlannedRestore, job: JobContext, actor: Actor) -> Report:
    """Execute the plan of a restore: the collection, then its aliases."""
    target = planned.target
    live = Inventory([target.live] if target.live else [])
    context = ExecutionContext(replace(job, nodes=planned.step.nodes), live)
    records = RestoreRecords(planned, context, actor, dict(target.entry))
    bookkeeping = Bookkeeping(
        begin=records.begin,
        verify=records.read_alias_back,
        can_start=records.can_start,
    )
    performers: Performers = {
        Snapshot: records.take_snapshot,
        Call: send_call,
        Restore: records.restore_snapshot,
    }
    report = execute_plan(
        planned.plan, context, performers, bookkeeping, command="snapshots restore"
    )
    return records.close(report)


@dataclass(slots=True)
class RestoreRecords:
    """The ledger entry of the restored name, from the first step to the last alias.

    The entry is marked as an unfinished restore until the aliases are restored too.
    """

    planned: PlannedRestore
    context: ExecutionContext
    actor: Actor
    entry: dict[str, Json]
    """As last written; empty if the ledger has no entry of the name."""

    def can_start(self, change: Change, outcomes: Sequence[Outcome], _: ExecutionContext) -> bool:
        """Whether a change may start; aliases follow even if the operator cancelled.

        Writes during the restore can make point counts differ. Aliases that were deleted with the
        replaced collection are restored all the same.
        """
        if not outcomes:
            return not self.context.is_cancelled()
        status = outcomes[0].status
        was_deleted = change.parsed_address.name in self.planned.target.deleted_aliases
        return status is OutcomeStatus.DONE or (status is OutcomeStatus.NOT_TAKEN and was_deleted)

    def take_snapshot(
        self, step: Snapshot, progress: ChangeProgress, context: ExecutionContext
    ) -> None:
        """The performer of `Snapshot`, before an existing collection is deleted.

        Raises QdrantctlError unless both snapshots can be restored: that of the existing
        collection, and the one to restore.
        """
        take_proven_snapshot(step, progress, context)
        planned = self.planned
        with forget_snapshot_on_error(progress, context.job, step.nodes):
            prove_restorable(
                planned.step,
                planned.record,
                planned.files,
                context.job,
                may_differ=bool(planned.warning),
            )

    def begin(self, progress: ChangeProgress) -> None:
        """Mark the ledger entry as an unfinished restore, with the replaced collection's snapshot.

        Until the mark is removed no apply and no policy uses the incomplete collection. Without a
        ledger and without an existing collection nothing is written: no other run would use it.
        """
        target, client = self.planned.target, self.context.client
        if not self._is_collection(progress) or not (target.ledger or target.live):
            return
        change, entry = progress.change, self.entry
        if progress.snapshot:
            entry = pending_entry(
                change, entry, target.live, self.planned.plan.owner, progress.snapshot
            )
        unfinished = self._unfinished_restore(progress.restore_point)
        entry = entry or new_ledger_entry(change, self.planned.plan.owner)
        entry = {key: value for key, value in entry.items() if key != "pending"}
        if not target.is_managed:
            entry["deleted"] = True  # else the next apply deletes it: managed, and in no manifest
        entry["restoring"] = unfinished.model_dump(mode="json")
        ledger.write_entries(client, [entry])
        self.entry, progress.restore_point = entry, unfinished.replaced
        if target.live:
            delete_upload_copies(target.object_name, self.context.job)

    def restore_snapshot(self, _: Restore, progress: ChangeProgress, __: ExecutionContext) -> None:
        """The performer of `Restore`. Raises QdrantctlError."""
        if self.planned.target.live:
            wait_until_deleted(self.planned.target.object_name, self.context.job)
        restored = restore_and_compare(self.planned, self.context.job)
        progress.missed, progress.note = restored.differences, restored.note

    def read_alias_back(self, progress: ChangeProgress, _: StepFailure | None) -> None:
        """Compare an alias; the collection was compared by its step already."""
        if self._is_collection(progress):
            return
        alias = Resource(progress.change.parsed_address, {"collection": self.planned.step.name})
        today = self.context.client.server_time.date()
        expected = Expected(Inventory([alias]), today, names=self.planned.target.names)
        progress.missed = read_back(progress.change, expected, self.context.client)[1]

    def close(self, report: Report) -> Report:
        """Remove the restore mark from the ledger when the restore has ended. Returns the report.

        The mark stays if an alias could not be restored.
        """
        collection, *aliases = report.outcomes
        if collection.status is OutcomeStatus.FAILED:
            self._forget_unless_begun()
        elif (
            collection.status is not OutcomeStatus.NOT_REACHED
            and report.count(OutcomeStatus.FAILED) == 0
        ):
            try:
                self._record()
            except QdrantctlError as error:  # report completed changes despite the error
                failed = {"status": OutcomeStatus.FAILED, "error": error.line}
                outcomes = (collection.model_copy(update=failed), *aliases)
                return report.model_copy(update={"outcomes": outcomes})
        return report

    def _is_collection(self, progress: ChangeProgress) -> bool:
        return progress.change.parsed_address == self.planned.address

    def _unfinished_restore(self, safety_snapshot: str) -> UnfinishedRestore:
        """The mark for the ledger entry.

        `safety_snapshot` is the id of the replaced collection's snapshot; empty for none.
        """
        planned, target = self.planned, self.planned.target
        unfinished = find_unfinished_restore(target.entry)
        return UnfinishedRestore(
            collection=planned.step.collection,
            snapshot=planned.record.id,
            source=planned.url,
            aliases=tuple(sorted(target.deleted_aliases)),
            # A collection that exists after a crashed restore is only its leftover.
            replaced=unfinished.replaced if unfinished and unfinished.replaced else safety_snapshot,
            stand_in=planned.files.may_need_placeholder,
            who=self.actor.who,
            when=_format_now(),
        )

    def _record(self) -> None:
        """Record the restored collection as applied in the ledger. Raises ClusterError."""
        if not self.entry:
            return
        planned, client = self.planned, self.context.client
        unfinished = find_unfinished_restore(self.entry)
        entry = _without_restore_mark(self.entry)
        if planned.target.is_managed:
            live = read_existing(client, planned.target.names, planned.address).get(planned.address)
            replaced = (
                {"pending": {"snapshot": unfinished.replaced}}
                if unfinished and unfinished.replaced
                else {}
            )
            change, actor = planned.plan.changes[0], self.actor
            entry = applied_entry(
                change, entry | replaced, live, client.server, actor, _format_now()
            )
        else:
            entry["restored_at"] = _format_now()  # no policy was to take it before
        _write_or_remove(client, entry)

    def _forget_unless_begun(self) -> None:
        """Remove the mark of a restore that created nothing.

        The mark stays if that cannot be determined, or if an earlier restore is unfinished.
        """
        target, client = self.planned.target, self.context.client
        if not self.entry or target.live or find_unfinished_restore(target.entry):
            return
        with suppress(ClusterError):
            if not collection_exists(client, target.object_name):
                _write_or_remove(client, _without_restore_mark(target.entry or self.entry))


def _without_restore_mark(entry: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in entry.items() if key != "restoring"}


def _write_or_remove(client: Client, entry: Mapping[str, Json]) -> None:
    """Write an entry; remove it if its only content is that the name is unmanaged."""
    content = ("snapshots", "history", "restored_at")
    if entry.get("deleted") and not any(entry.get(word) for word in content):
        ledger.remove_entry(client, str(entry["address"]))
    else:
        ledger.write_entries(client, [entry])


def _format_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class RestoredState:
    """A restored collection, compared with its snapshot."""

    points: tuple[str, ...]
    """Shards whose points differ."""
    settings: tuple[str, ...]
    """Settings that differ."""
    status: str
    note: str
    """What to report besides: how far the server has indexed it, if not completely."""

    @property
    def is_red(self) -> bool:
        """Whether the server reports an error of the collection."""
        return self.status == "red"

    @property
    def differences(self) -> tuple[str, ...]:
        """All differences. An unfinished index is none: the data is complete without it."""
        return (*self.points, *self.settings, *(("status (red)",) if self.is_red else ()))


def restore_and_compare(planned: PlannedRestore, job: JobContext) -> RestoredState:
    """Create the collection and compare it with its snapshot. Raises QdrantctlError."""
    replaced = planned.target.live is not None and planned.replaces_origin
    files = replace(planned.files, is_listed=planned.listed and not replaced)
    points = upload_and_verify(planned.step, planned.record, job, files)
    _set_what_recovery_loses(planned, job.client)
    state = wait_for_index(job, planned.address, planned.step.object_name)
    settings = poll_until_clean(lambda: _settings_differences(planned, job.client))
    is_indexed = state.is_green and not state.obstacle
    note = "" if is_indexed else state.describe(index_timeout(job))
    return RestoredState(points, settings, state.status, note)


def _set_what_recovery_loses(planned: PlannedRestore, client: Client) -> None:
    """Set again what a server does not take from a snapshot (1.16 to 1.19)."""
    if body := settings_after_creation(planned.record.spec):
        with suppress(ClusterError):  # the comparison of the settings tells it
            path = collection_path(planned.step.object_name)
            client.request(Call(method="PATCH", path=path, body=body))


def _settings_differences(planned: PlannedRestore, client: Client) -> tuple[str, ...]:
    """Settings that differ from the snapshot's, without those that changed while it was taken."""
    existing = read_existing(client, planned.target.names, planned.address).get(planned.address)
    record, now = planned.record, existing.spec if existing else {}
    then = {**record.spec, **{word: now.get(word) for word in record.unsettled}}
    return settings_differences(now, then)
