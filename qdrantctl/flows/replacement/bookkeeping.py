"""The bookkeeping of a replacement around its steps: its record from its beginning to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from pydantic import BaseModel

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.system.commands import refuse_if_forbidden
from qdrantctl.flows.execution.context import (
    Bookkeeping,
    ChangeProgress,
    ExecutionContext,
    Performers,
)
from qdrantctl.flows.execution.send import send_call
from qdrantctl.flows.replacement.identity import ensure_both_stand, find_reference
from qdrantctl.flows.replacement.passes.reverse import reverse_digests
from qdrantctl.flows.replacement.phases import (
    bring_up_to_date,
    fill,
    keep_source,
    sweep_source,
    verify,
)
from qdrantctl.flows.replacement.run import (
    ReplacementRun,
    digest_folder,
    format_moment,
    remove_record,
    write_new_record,
)
from qdrantctl.flows.replacement.stores import read_shard_keys
from qdrantctl.flows.replacement.switch import switch_aliases
from qdrantctl.flows.state.ledger_entry import applied_entry
from qdrantctl.flows.state.live import read_collection
from qdrantctl.model.change import ReplacementForecast
from qdrantctl.model.errors import QdrantctlError, StaleError
from qdrantctl.model.replacement import Phase
from qdrantctl.model.step import (
    Call,
    CatchUp,
    Fill,
    Keep,
    Sweep,
    SwitchAliases,
    Verify,
    collection_path,
)


def performers_of(run: ReplacementRun) -> Performers:
    """The performer of each step of a replacement."""
    phases: Mapping[type[BaseModel], Callable[..., None]] = {
        Fill: fill,
        CatchUp: bring_up_to_date,
        Verify: verify,
        SwitchAliases: switch_aliases,
        Sweep: sweep_source,
        Keep: keep_source,
    }
    return {Call: send_call} | {
        step: partial(_perform_phase, perform, run) for step, perform in phases.items()
    }


def _perform_phase(
    perform: Callable[..., None],
    run: ReplacementRun,
    step: BaseModel,
    progress: ChangeProgress,
    context: ExecutionContext,
) -> None:
    """Perform a phase; the record keeps why it stopped."""
    try:
        perform(step, progress, context, run)
    except QdrantctlError as error:
        with suppress(QdrantctlError):
            run.save(error=error.line)
        raise


def bookkeeping_of(run: ReplacementRun) -> Bookkeeping:
    """The ledger's record of a replacement before and after its steps."""
    records = ReplacementRecords(run)
    return Bookkeeping(
        check=records.ensure_unchanged,
        begin=records.begin,
        finish=records.finish,
    )


@dataclass(frozen=True, slots=True)
class ReplacementRecords:
    """Writes the record of a replacement."""

    run: ReplacementRun

    def ensure_unchanged(self, _: ChangeProgress) -> None:
        """Raises StaleError if the old collection is no longer that of the plan.

        Raises SettingsError where a command would be run and must not be.
        """
        record, terms = self.run.record, self.run.terms
        if terms.command or terms.verify.command:
            refuse_if_forbidden(
                os.environ,
                f"the command of {record.address}",
                instead="Leave the resource out with --exclude, or allow commands.",
            )
        if self.run.terms.source:
            return
        if record.phase is not Phase.CREATE:
            self._ensure_both_stand()
            return
        now = find_reference(self.run.client, record.address, record.old.name)
        if now is None or (record.old.uuid and record.old.uuid != now.uuid):
            raise StaleError(
                f"{record.old.name} changed since the plan was made", hint="Plan again."
            )

    def _ensure_both_stand(self) -> None:
        """Before the switch; the record keeps why it stopped."""
        run = self.run
        if run.record.phase.is_after_switch:
            return
        try:
            ensure_both_stand(run.client, run.record)
        except StaleError as error:
            with suppress(QdrantctlError):
                run.save(error=error.line)
            raise

    def begin(self, _: ChangeProgress) -> None:
        """Write the record, unless an earlier run did, and remove what that one left half made."""
        run = self.run
        if run.record.returning:
            self._begin_rollback()
            return
        if run.record.id:
            if run.record.phase is Phase.CREATE:
                self._remove_unfilled()
            return
        with run.hold_project() as project:
            before = ledger.read_ledger(project).entries.get(run.record.address, {})
            record = run.record.model_copy(
                update={
                    "id": str(uuid4()),
                    "begun": format_moment(project.server_time),
                    "before": {word: before[word] for word in run.record.entry if word in before},
                }
            )
            write_new_record(project, record)
            run.record = record

    def _begin_rollback(self) -> None:
        """Record a rollback that begins; the digests of the way forth are those of the way back."""
        run, record = self.run, self.run.record
        if record.phase is Phase.CATCH_UP and not record.passes:
            live = read_collection(run.client, record.address, record.old.name)
            keys = read_shard_keys(live) if live else ()
            forth = digest_folder(run.settings.root, record)
            reverse_digests(forth, run.folder, record.id, keys)
        run.save()

    def _remove_unfilled(self) -> None:
        """Delete the new collection of a run that ended while it was created."""
        run, name = self.run, self.run.record.new.name
        live = read_collection(run.client, run.record.address, name)
        if live is None:
            return
        if live.facts.points:
            raise StaleError(
                f"{name} was to be created, and holds {live.facts.points:,} points",
                hint=f"Delete it if they are not needed, or qdrantctl replacement abort "
                f"{run.record.address}.",
            )
        run.client.request(Call(method="DELETE", path=collection_path(name)))

    def finish(self, progress: ChangeProgress) -> None:
        """Say how it ended; a collection of another cluster is recorded as applied here."""
        record = self.run.record
        if self.run.terms.source:
            self._write_moved(progress)
        elif record.keep_until:
            notes = [progress.note] if progress.note else []
            forecast = progress.change.replacement
            if isinstance(forecast, ReplacementForecast) and forecast.rollback:
                notes.append(f"rolled back to {record.new.name}")
            if record.conflicts:
                ids = ", ".join(map(str, record.conflict_ids[:10]))
                more = f" and {record.conflicts - 10:,} more" if record.conflicts > 10 else ""
                notes.append(f"changed on both sides: {ids}{more}")
            notes.append(f"{record.old.name} is kept until {record.keep_until}")
            progress.note = "; ".join(notes)

    def _write_moved(self, progress: ChangeProgress) -> None:
        run, record = self.run, self.run.record
        with run.hold_project() as project:
            before = ledger.read_ledger(project).entries.get(record.address, {})
            live = read_collection(project, record.address, record.new.name)
            when = format_moment(project.server_time)
            entry = applied_entry(progress.change, before, live, project.server, run.actor, when)
            ledger.write_entries(project, [entry | {"url": project.server.url}])
            remove_record(project, record.address)
