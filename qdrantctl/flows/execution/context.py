"""Types shared by the executor, the performers of steps and a command's bookkeeping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from pydantic import BaseModel

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.change import Change
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.report import Outcome, OutcomeStatus, StoredSet
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.snapshots.snapshot import SnapshotRecord


class StepFailure(QdrantctlError):
    """A step of a change failed or was not reached; the resource is read back afterwards."""


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """One execution of a plan: its cluster, and where outcomes are reported."""

    job: JobContext
    """The client, progress, cancellation and the URL of each node."""
    live: Inventory = field(default_factory=Inventory)
    """The existing resources when the plan was made."""
    on_outcome: Callable[[Outcome], None] = lambda _: None
    """Receives the outcome of each change that is not a noop."""
    failing: Event = field(default_factory=Event)
    """Set as soon as a step has failed: reading its resource back takes seconds."""

    @property
    def client(self) -> NodeClient:
        """The client of the cluster."""
        return self.job.client

    def is_cancelled(self) -> bool:
        """Whether the operator cancelled."""
        return self.job.is_cancelled()


@dataclass(slots=True)
class ChangeProgress:
    """The progress of one change, updated by its performers."""

    change: Change
    is_begun: bool = False
    """Whether a step that changes resources may have been sent."""
    snapshot: SnapshotRecord | None = None
    """The safety snapshot that one of its steps has taken."""
    restore_point: str = ""
    """Id of the snapshot that restores what the change destroys; empty for none."""
    entry: Mapping[str, Json] = field(default_factory=dict)
    """The ledger's entry while the change is pending; empty before."""
    live: Resource | None = None
    """The resource as read back."""
    missed: tuple[str, ...] = ()
    """Requested values that the server does not report."""
    errors: list[str] = field(default_factory=list)
    """Errors that did not end the change: they are reported, and other steps are performed."""
    note: str = ""
    taken: list[StoredSet] = field(default_factory=list)
    removed: list[StoredSet] = field(default_factory=list)


Performer = Callable[[Any, ChangeProgress, ExecutionContext], None]
"""Performs one step. Raises StepFailure if reading the resource back shows its effect, any other
QdrantctlError otherwise. Long steps check for cancellation."""
Performers = Mapping[type[BaseModel], Performer]
"""The performer of each type of step."""


def can_start_next(_: Change, outcomes: Sequence[Outcome], context: ExecutionContext) -> bool:
    """Whether a change may start: none has failed so far, and the run is not cancelled."""
    done = all(outcome.status in (OutcomeStatus.DONE, OutcomeStatus.NOOP) for outcome in outcomes)
    return done and not (context.failing.is_set() or context.is_cancelled())


def _do_nothing(*_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """The actions of a command around the steps of a change, mainly writing ledger entries.

    By default they do nothing. Each function may raise QdrantctlError, which ends the change.
    """

    start: Callable[[], None] = _do_nothing
    """Once there is a ledger, before the first change."""
    check: Callable[[ChangeProgress], None] = _do_nothing
    """Before the first step: ensure that the change is still as planned."""
    begin: Callable[[ChangeProgress], None] = _do_nothing
    """Before the first step that changes resources: record the change as pending."""
    verify: Callable[[ChangeProgress, StepFailure | None], None] = _do_nothing
    """After the steps, or a failed one: read the resource back and set `missed`."""
    finish: Callable[[ChangeProgress], None] = _do_nothing
    """Once all steps succeeded and nothing is missed: record the change as applied."""
    can_start: Callable[[Change, Sequence[Outcome], ExecutionContext], bool] = can_start_next
