"""The report: what became of each change of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from qdrantctl.model.change import Action
from qdrantctl.model.plan import Plan

REPORT_FORMAT = "1.1"
"""Additions raise the minor number, anything else the major one."""
Command = Literal["apply", "snapshots run", "snapshots restore"]


class OutcomeStatus(StrEnum):
    """What became of one change."""

    DONE = "done"
    NOOP = "noop"
    """There was nothing to do."""
    FAILED = "failed"
    """A step was refused, or its effect is unknown."""
    NOT_TAKEN = "not_taken"
    """The server said ok and did not take it."""
    NOT_REACHED = "not_reached"
    """The command stopped before it."""


class StoredSet(BaseModel):
    """A set of snapshots at one destination of a policy."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    destination: str = Field(description="Where it is put: a URL, or `cluster`.")
    folder: str = Field(description="Its folder there.")
    address: str = Field(default="", description="`collection/name`; empty if unknown.")
    id: str = Field(default="", description="`snapshots restore ADDRESS@ID`; empty as well.")
    size: int = Field(description="Bytes.")


class Outcome(BaseModel):
    """What became of one resource."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    action: Action = Field(description="What was planned.")
    status: OutcomeStatus = Field(description="What became of it.")
    error: str = Field(default="", description="What happened, without secrets.")
    missed: tuple[str, ...] = Field(
        default=(), description="Settings the server answered ok to and does not show."
    )
    note: str = Field(default="", description="Further notes about it.")
    way_back: str = Field(
        default="", description="The command that brings back the points that were destroyed."
    )
    seconds: float = Field(default=0.0, description="Wall time of its steps and read-back.")
    taken: tuple[StoredSet, ...] = Field(
        default=(), description="By `snapshots run`: sets that are whole now and were not before."
    )
    removed: tuple[StoredSet, ...] = Field(
        default=(), description="By `snapshots run`: sets that retention no longer keeps."
    )


class Report(BaseModel):
    """What became of a plan."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=REPORT_FORMAT, description="Version of this format.")
    command: Command = Field(default="apply", description="What carried the plan out.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    url: str = Field(description="Scheme, host and port of the server.")
    plan_digest: str = Field(description="`digest` of the plan that was carried out.")
    outcomes: tuple[Outcome, ...] = Field(default=(), description="In the order of the plan.")
    interrupted: bool = Field(default=False, description="Whether the operator asked to stop.")

    @classmethod
    def of(
        cls,
        plan: Plan,
        outcomes: Iterable[Outcome] = (),
        *,
        command: Command = "apply",
        interrupted: bool = False,
    ) -> Report:
        """What became of this plan."""
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
        """Outcomes of a status, of these actions or of all."""
        return sum(
            outcome.status is status and (not actions or outcome.action in actions)
            for outcome in self.outcomes
        )

    @property
    def is_complete(self) -> bool:
        """Whether everything that was planned has been done and seen on the server."""
        return all(o.status in (OutcomeStatus.DONE, OutcomeStatus.NOOP) for o in self.outcomes)
