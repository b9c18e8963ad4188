"""What the executor, the performers of steps and a command's bookkeeping share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """A step of a change failed, or was not reached; what the change has come to is read back."""

    def __init__(self, what: str, *, index_may_appear: bool = False) -> None:
        super().__init__(what)
        self.index_may_appear = index_may_appear
        """An index is perhaps being built; nothing tells before it shows."""


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """One execution of a plan: on which cluster, and who is told."""

    job: JobContext
    """The client, progress, cancellation and each node's own address."""
    live: Inventory = field(default_factory=Inventory)
    """The existing resources as the plan saw them."""
    on_outcome: Callable[[Outcome], None] = lambda _: None
    """Gets the outcome of each change that was not a noop, once it is known."""

    @property
    def client(self) -> NodeClient:
        """The client of the cluster."""
        return self.job.client

    def is_cancelled(self) -> bool:
        """Whether the operator asked to stop."""
        return self.job.is_cancelled()


@dataclass(slots=True)
class ChangeProgress:
    """What has become of one change so far. Its performers add to it."""

    change: Change
    is_begun: bool = False
    """Whether a step that changes resources may have been sent."""
    snapshot: SnapshotRecord | None = None
    """The safety snapshot that one of its steps has taken."""
    restore_point: str = ""
    """Id of the snapshot that brings back what the change destroys; empty for none."""
    entry: Mapping[str, Json] = field(default_factory=dict)
    """The ledger's entry while the change is pending; empty before."""
    live: Resource | None = None
    """The resource as it was read back."""
    missed: tuple[str, ...] = ()
    """What was asked and does not show on the server."""
    errors: list[str] = field(default_factory=list)
    """What failed without ending the change: it is told, and the other steps are carried out."""
    note: str = ""
    taken: list[StoredSet] = field(default_factory=list)
    removed: list[StoredSet] = field(default_factory=list)


Performer = Callable[[Any, ChangeProgress, ExecutionContext], None]
"""Carries out one step. Raises StepFailure where reading the resource back tells what came of it,
any other QdrantctlError where it does not. Looks at cancellation where it takes long."""
Performers = Mapping[type[BaseModel], Performer]
"""The performer of each type of step."""


def can_start_next(_: Change, outcomes: Sequence[Outcome], context: ExecutionContext) -> bool:
    """Whether a change may be begun: all before it are done, and nothing was cancelled."""
    done = all(outcome.status in (OutcomeStatus.DONE, OutcomeStatus.NOOP) for outcome in outcomes)
    return done and not context.is_cancelled()


def _do_nothing(*_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """What a command does around the steps of a change, the ledger's entries above all.

    By default nothing. Each function may raise QdrantctlError, which ends the change.
    """

    check: Callable[[ChangeProgress], None] = _do_nothing
    """Before the first step: whether the change is still what was planned."""
    begin: Callable[[ChangeProgress], None] = _do_nothing
    """Before the first step that changes resources: the ledger says that it is pending."""
    verify: Callable[[ChangeProgress, StepFailure | None], None] = _do_nothing
    """After the steps, or the one that failed: read the resource back, and tell what is missed."""
    finish: Callable[[ChangeProgress], None] = _do_nothing
    """Once all is done and nothing is missed: the ledger says that it is applied."""
    can_start: Callable[[Change, Sequence[Outcome], ExecutionContext], bool] = can_start_next
