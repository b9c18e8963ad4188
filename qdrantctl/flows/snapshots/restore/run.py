"""Carrying out a restore: the performer of `Restore`, and what the ledger says meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.indexing import YELLOW, wait_for_index
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
from qdrantctl.flows.snapshots import placeholder as stand_in
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
    verify_source_files,
)
from qdrantctl.flows.snapshots.take import take_safety_snapshot
from qdrantctl.flows.state.ledger_entry import applied_entry, new_ledger_entry, pending_entry
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Change
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.snapshots.snapshot import UnfinishedRestore, find_unfinished_restore
from qdrantctl.model.step import Call, Restore, Snapshot


def run_restore(planned: PlannedRestore, job: JobContext, actor: Actor) -> Report:
    """Carry the plan of a restore out: the collection, then its aliases."""
    target = planned.target
    live = Inventory([target.live] if target.live else [])
    context = ExecutionContext(replace(job, nodes=planned.step.nodes), live)
    records = RestoreRecords(planned, context, actor, dict(target.entry))
    bookkeeping = Bookkeeping(
        check=records.check_source,
        begin=records.begin,
        verify=records.read_alias_back,
        can_start=records.can_start,
    )
    performers: Performers = {
        Snapshot: take_safety_snapshot,
        Call: send_call,
        Restore: records.restore_snapshot,
    }
    report = execute_plan(
        planned.plan, context, performers, bookkeeping, command="snapshots restore"
    )
    return records.close(report)


@dataclass(slots=True)
class RestoreRecords:
    """What the ledger holds of the restored name, from the first step to the last alias.

    The entry says that a restore is under way until the aliases are put back, too.
    """

    planned: PlannedRestore
    context: ExecutionContext
    actor: Actor
    entry: dict[str, Json]
    """As it was written last; empty where the ledger knows nothing of the name."""

    def can_start(self, change: Change, outcomes: Sequence[Outcome], _: ExecutionContext) -> bool:
        """Whether a change may be begun; aliases follow also where the operator asked to stop.

        Writes meanwhile make the points other than they were. Aliases that were taken down with
        the collection are put back all the same.
        """
        if not outcomes:
            return not self.context.is_cancelled()
        status = outcomes[0].status
        was_taken_down = change.parsed_address.name in self.planned.target.down
        return status is OutcomeStatus.DONE or (
            status is OutcomeStatus.NOT_TAKEN and was_taken_down
        )

    def check_source(self, progress: ChangeProgress) -> None:
        """See that the snapshot is sound before another collection is deleted for it."""
        planned = self.planned
        if self._is_collection(progress) and planned.target.live:
            verify_source_files(planned.step, planned.record, self.context.job, planned.source)

    def begin(self, progress: ChangeProgress) -> None:
        """Write down that a restore is under way, with the snapshot of what it replaces.

        Until it ends no apply and no policy takes what exists there for the collection. Nothing is
        written where there is no ledger: then nothing needs to be kept from it.
        """
        target, client = self.planned.target, self.context.client
        if not self._is_collection(progress) or not (target.ledger or target.live):
            return
        change, entry = progress.change, self.entry
        if progress.snapshot:
            entry = pending_entry(
                change, entry, target.live, self.planned.plan.owner, progress.snapshot
            )
        mark = self._mark(progress.restore_point)
        entry = entry or new_ledger_entry(change, self.planned.plan.owner)
        entry = {key: value for key, value in entry.items() if key != "pending"}
        if not target.is_ours:
            entry["deleted"] = True  # else the next apply finds it managed, and in no manifest
        entry["restoring"] = mark.model_dump(mode="json")
        ledger.write_entries(client, [entry])
        self.entry, progress.restore_point = entry, mark.replaced
        if target.live:
            delete_upload_copies(self.planned.address, self.context.job)

    def restore_snapshot(self, _: Restore, progress: ChangeProgress, __: ExecutionContext) -> None:
        """The performer of `Restore`. Raises QdrantctlError."""
        if self.planned.target.live:
            wait_until_deleted(self.planned.address, self.context.job)
        progress.missed, progress.note = carried_out(self.planned, self.context.job)

    def read_alias_back(self, progress: ChangeProgress, failure: StepFailure | None) -> None:
        """Whether an alias stands for the collection; a collection was compared by its step."""
        if self._is_collection(progress):
            return
        alias = Resource(progress.change.parsed_address, {"collection": self.planned.step.name})
        expected = Expected(Inventory([alias]), self.context.client.server_time.date())
        _, progress.missed = read_back(progress.change, expected, self.context, failure)

    def close(self, report: Report) -> Report:
        """Remove the restore mark from the ledger when the restore has ended. Returns the report.

        It stays where something is left to be put back.
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
            except QdrantctlError as error:  # completed changes are reported all the same
                failed = {"status": OutcomeStatus.FAILED, "error": error.line}
                outcomes = (collection.model_copy(update=failed), *aliases)
                return report.model_copy(update={"outcomes": outcomes})
        return report

    def _is_collection(self, progress: ChangeProgress) -> bool:
        return progress.change.parsed_address == self.planned.address

    def _mark(self, safe: str) -> UnfinishedRestore:
        """What is being restored. `safe` is the snapshot of what is replaced; empty for none."""
        planned, target = self.planned, self.planned.target
        unfinished = find_unfinished_restore(target.entry)
        return UnfinishedRestore(
            collection=planned.step.collection,
            snapshot=planned.record.id,
            source=planned.url,
            aliases=tuple(sorted(target.down)),
            # What exists after a crashed restore is only what that one left behind.
            replaced=unfinished.replaced if unfinished and unfinished.replaced else safe,
            stand_in=planned.source is None
            and not planned.listed
            and stand_in.placeholder_needed(self.context.client.server),
            who=self.actor.who,
            when=_format_now(),
        )

    def _record(self) -> None:
        """Have the ledger know the collection as the one that was applied. Raises ClusterError."""
        if not self.entry:
            return
        planned, client = self.planned, self.context.client
        mark = find_unfinished_restore(self.entry)
        entry = _without_mark(self.entry)
        if planned.target.is_ours:
            live = read_existing(client, planned.address).get(planned.address)
            replaced = {"pending": {"snapshot": mark.replaced}} if mark and mark.replaced else {}
            change, actor = planned.plan.changes[0], self.actor
            entry = applied_entry(
                change, entry | replaced, live, client.server, actor, _format_now()
            )
        _write_or_remove(client, entry)

    def _forget_unless_begun(self) -> None:
        """Forget a restore that has come to nothing. Where that cannot be seen the mark stays.

        So does one with which something is left to be put back.
        """
        target, client = self.planned.target, self.context.client
        if not self.entry or target.live or find_unfinished_restore(target.entry):
            return
        with suppress(ClusterError):
            if not collection_exists(client, self.planned.step.name):
                _write_or_remove(client, _without_mark(target.entry or self.entry))


def _without_mark(entry: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in entry.items() if key != "restoring"}


def _write_or_remove(client: Client, entry: Mapping[str, Json]) -> None:
    """Write an entry; remove it where it tells of nothing but that the name is not managed."""
    if entry.get("deleted") and not (entry.get("snapshots") or entry.get("history")):
        ledger.remove_entry(client, str(entry["address"]))
    else:
        ledger.write_entries(client, [entry])


def _format_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def carried_out(planned: PlannedRestore, job: JobContext) -> tuple[tuple[str, ...], str]:
    """Make the collection: what is not as it was, and a note. Raises QdrantctlError.

    Whether all is indexed says nothing of what was restored.
    """
    replaced = planned.target.live is not None and planned.step.name == planned.step.collection
    listed = planned.listed and not replaced
    missed = upload_and_verify(
        planned.step, planned.record, job, listed=listed, source=planned.source
    )
    status = wait_for_index(job, planned.address)
    settings = poll_until_clean(lambda: _settings_missed(planned, job.client))
    broken = ("status (red)",) if status == "red" else ()
    note = "the server is still indexing it (yellow)" if status == YELLOW else ""
    return (*missed, *settings, *broken), note


def _settings_missed(planned: PlannedRestore, client: Client) -> tuple[str, ...]:
    """Settings that are not as they were when the snapshot was taken, and did not change then."""
    existing = read_existing(client, planned.address).get(planned.address)
    record, now = planned.record, existing.spec if existing else {}
    then = {**record.spec, **{word: now.get(word) for word in record.unsettled}}
    return settings_differences(now, then)
