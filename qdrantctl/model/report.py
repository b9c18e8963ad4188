"""The report: the outcome of each change of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.plan import Plan

REPORT_FORMAT = "1.1"
"""Additions raise the minor number, anything else the major one."""
Command = Literal["apply", "snapshots run", "snapshots restore"]


class OutcomeStatus(StrEnum):
    """The outcome of one change."""

    DONE = "done"
    NOOP = "noop"
    """No change was needed."""
    FAILED = "failed"
    """A step was refused, or its effect is unknown."""
    NOT_TAKEN = "not_taken"
    """The server accepted the change but did not apply it."""
    NOT_REACHED = "not_reached"
    """The command stopped before it."""


class StoredSet(LazyModel):
    """A set of snapshots at one destination of a policy."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    destination: str = Field(description="The destination: a URL, or `cluster`.")
    folder: str = Field(description="Its folder at the destination.")
    address: str = Field(default="", description="`collection/name`; empty if unknown.")
    id: str = Field(
        default="", description="`snapshots restore ADDRESS@ID`; empty if the address is."
    )
    size: int = Field(description="Bytes.")


class Outcome(LazyModel):
    """The outcome of one change."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    action: Action = Field(description="The planned action.")
    counted_as: Action | MISSING = Field(
        default=ABSENT,
        description="`update` for an adoption that also changes fields, `create` for a replacement "
        "without downtime; otherwise left out.",
    )
    status: OutcomeStatus = Field(description="The outcome of the action.")
    error: str = Field(default="", description="What happened, without secrets.")
    missed: tuple[str, ...] = Field(
        default=(), description="Settings that the server accepted but did not apply."
    )
    note: str = Field(default="", description="Further notes.")
    way_back: str = Field(
        default="", description="The command that restores the points that were destroyed."
    )
    seconds: float = Field(default=0.0, description="Wall time of its steps and read-back.")
    taken: tuple[StoredSet, ...] = Field(
        default=(), description="By `snapshots run`: sets that this run completed."
    )
    removed: tuple[StoredSet, ...] = Field(
        default=(), description="By `snapshots run`: sets that retention no longer keeps."
    )

    @property
    def summary_action(self) -> Action:
        """The action that summaries count."""
        return self.counted_as if isinstance(self.counted_as, Action) else self.action


class Report(LazyModel):
    """The outcomes of a plan."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=REPORT_FORMAT, description="Version of this format.")
    command: Command = Field(default="apply", description="The command that ran the plan.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    url: str = Field(description="Scheme, host and port of the server.")
    plan_digest: str = Field(description="`digest` of the plan that was run.")
    outcomes: tuple[Outcome, ...] = Field(default=(), description="In the order of the plan.")
    interrupted: bool = Field(default=False, description="Whether the operator interrupted it.")

    @classmethod
    def of(
        cls,
        plan: Plan,
        outcomes: Iterable[Outcome] = (),
        *,
        command: Command = "apply",
        interrupted: bool = False,
    ) -> Report:
        """The report on `plan`."""
        return cls(
            command=command,
            project=plan.project,
            environment=plan.environment,
            url=plan.server.url,
            plan_digest=str(plan.document()["digest"]),
            outcomes=tuple(outcomes),
            interrupted=interrupted,
        )

    def count(self, status: OutcomeStatus, *actions: Action) -> int:
        """The number of outcomes with `status`, of these actions or of all."""
        return sum(
            outcome.status is status and (not actions or outcome.summary_action in actions)
            for outcome in self.outcomes
        )

    @property
    def is_complete(self) -> bool:
        """Whether every planned change was applied and read back from the server."""
        return all(o.status in (OutcomeStatus.DONE, OutcomeStatus.NOOP) for o in self.outcomes)
