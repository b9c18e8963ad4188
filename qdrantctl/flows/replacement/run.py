"""One run of a replacement: what its performers share, and its record in the ledger."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.ledger import LEDGER_COLLECTION, ledger_point_id
from qdrantctl.adapters.qdrant.point_writes import write_points
from qdrantctl.adapters.qdrant.replacement_records import (
    parse_replacements,
    record_address,
    replacement_entry,
)
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution.context import StepFailure
from qdrantctl.flows.execution.send import repeat_unanswered
from qdrantctl.flows.replacement.command_fill import CommandFill
from qdrantctl.model.actor import Actor
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import StaleError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.replacement import (
    PAUSED,
    RECORD_KIND,
    Phase,
    ReplacementRecord,
    ReplacementSettings,
    parse_settings,
)
from qdrantctl.model.step import Call, collection_path, wait_query

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings


PAUSE_LOOK_INTERVAL = 2.0
"""Seconds between two looks whether the operator has paused it."""


@dataclass(slots=True)
class ReplacementRun:
    """One run of a replacement. Its client writes under the lease of replacements."""

    record: ReplacementRecord
    """As the ledger has it, once the replacement has begun."""
    job: JobContext
    settings: Settings
    actor: Actor
    hold_project: Callable[[], AbstractContextManager[NodeClient]]
    """A client that writes under the lease of applies, for the moments that need it."""
    command_fill: CommandFill | None = None
    """With `fill: command`, once a phase needs it: all phases share its process."""
    _using_client: Lock = field(default_factory=Lock)
    """Passes report from several threads, and the client is for one at a time."""
    _is_stopped: bool = False
    _looked: float = -PAUSE_LOOK_INTERVAL

    def close(self) -> None:
        """Let the process of a fill command end."""
        if self.command_fill:
            self.command_fill.close()

    @property
    def client(self) -> NodeClient:
        """The client of the cluster."""
        return self.job.client

    @property
    def terms(self) -> ReplacementSettings:
        """`lifecycle.replacement` when the replacement was begun."""
        return parse_settings(self.record.settings)

    @property
    def folder(self) -> Path:
        """The folder of its digests on the way forth, or back."""
        return digest_folder(self.settings.root, self.record, back=self.record.returning)

    def save(self, **changes: Any) -> None:
        """Change the record, and write it to the ledger. Raises ClusterError."""
        with self._using_client:
            self.record = self.record.model_copy(update=changes)
            payload = {RECORD_KIND: _dump(self.record)}
            address = self.record.address
            repeat_unanswered(lambda: set_record_payload(self.client, address, payload))

    def request(self, call: Call) -> Json:
        """The result of a request; any thread may send it. Raises ClusterError."""
        with self._using_client:
            return self.client.request(call)

    def enter_phase(self, phase: Phase) -> None:
        """Report a phase, and record that it begins, unless it goes on. Raises ClusterError."""
        self.report_phase(phase)
        if self.record.phase is not phase:
            self.save(phase=phase, done=0, rate=0.0, cursors={}, error="")

    def report_phase(self, phase: Phase) -> None:
        """Show which phase is under way."""
        words = phase.replace("_", " ")
        self.job.report_progress(f"{self.record.address}: phase {words} of its replacement")

    def is_stopped(self) -> bool:
        """Whether the operator has cancelled this run, or paused the replacement.

        A pause is looked for every two seconds, and so is the lease: a process that has lost it
        stops. Raises ClusterError, LeaseError.
        """
        if self.job.is_cancelled():
            return True
        with self._using_client:
            if not self._is_stopped and time.monotonic() - self._looked > PAUSE_LOOK_INTERVAL:
                self._looked = time.monotonic()
                self._is_stopped = is_paused(self.client, self.record.address)
        return self._is_stopped

    def ensure_running(self) -> None:
        """Raises StepFailure if the operator has stopped the run."""
        if self.is_stopped():
            how = "interrupted" if self.job.is_cancelled() else "paused"
            raise StepFailure(f"{how} in phase {self.record.phase}; the next apply goes on there")


def digest_folder(root: Path, record: ReplacementRecord, *, back: bool = False) -> Path:
    """The folder of a replacement's digests, which a rollback needs as well."""
    way = f"{'back' if back else 'forth'}-{record.form}"
    return root / ".qdrantctl" / "replacements" / record.id / way


def remove_digests(root: Path, record: ReplacementRecord) -> None:
    """Remove the digests of a replacement that is over."""
    shutil.rmtree(digest_folder(root, record).parent, ignore_errors=True)


def read_record(client: Client, address: Address) -> ReplacementRecord | None:
    """The record of a collection's replacement; None without one. Raises ClusterError."""
    return parse_replacements(ledger.read_ledger(client)).get(address)


def write_new_record(client: Client, record: ReplacementRecord) -> None:
    """Write the record of a replacement that begins. Raises StaleError if there is one."""
    if read_record(client, record.address) is not None:
        raise StaleError(
            f"a replacement of {record.address} was begun since the plan was made",
            hint="Plan again.",
        )
    ledger.write_entries(client, [replacement_entry(record)])


def remove_record(client: Client, address: Address) -> None:
    """Remove the record of a replacement that has ended. Raises ClusterError."""
    ledger.remove_entry(client, str(record_address(address)))


def is_paused(client: Client, address: Address) -> bool:
    """Whether the operator has paused a replacement. Raises ClusterError."""
    point_id = ledger_point_id(str(record_address(address)))
    path = collection_path(LEDGER_COLLECTION, "points", point_id)
    return bool(client.request(Call(method="GET", path=path))["payload"].get(PAUSED))


def set_paused(client: Client, address: Address, *, paused: bool) -> None:
    """Pause a replacement, or let it go on. Raises ClusterError."""
    set_record_payload(client, address, {PAUSED: paused})


def set_record_payload(client: Client, address: Address, payload: dict[str, Json]) -> None:
    """Set keys of the entry, and leave the others: a pause and a run write at the same time."""
    path = collection_path(LEDGER_COLLECTION, "points", "payload")
    body = {"payload": payload, "points": [ledger_point_id(str(record_address(address)))]}
    query = wait_query(client.server)
    write_points(client, Call(method="POST", path=path, query=query, body=body))


def format_moment(moment: datetime) -> str:
    """A moment as records keep it: ISO 8601, seconds."""
    return moment.isoformat(timespec="seconds")


def _dump(record: ReplacementRecord) -> Json:
    return replacement_entry(record)[RECORD_KIND]
