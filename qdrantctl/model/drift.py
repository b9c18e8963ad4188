"""The drift report: what moved since it was applied, and on which side. It is its own JSON."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import PlannedServer
from qdrantctl.model.resource import Origin

DRIFT_FORMAT = "1.0"
"""Of the report and of the baseline: additions raise the minor number, anything else the major."""


class DriftKind(StrEnum):
    """What is told of a resource."""

    CHANGED = "changed"
    """Some of its fields."""
    GONE = "gone"
    """It was deleted outside qdrantctl."""
    RECREATED = "recreated"
    """It was deleted and made again: same name, another identity."""
    APPEARED = "appeared"
    """No manifest states it, and it was never applied."""
    NEW = "new"
    """Stated, and never applied."""
    LEFT = "left"
    """Applied, and no longer stated."""
    INTERRUPTED = "interrupted"
    """An apply of it was not finished."""


class DriftedField(BaseModel):
    """One field that differs."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: tuple[str | int, ...] = Field(description="Its path in the spec.")
    before: Any = Field(default=ABSENT, description="What was applied, or seen after apply.")
    now: Any = Field(
        default=ABSENT,
        description="The value on the cluster; under not_applied the desired one.",
    )
    because: str = Field(default="", description="Further notes.")
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line that set it.")
    known: bool = Field(default=False, description="Whether the baseline holds it.")


class LastApply(BaseModel):
    """The last apply of a resource."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    when: str = Field(default="", description="Time, UTC.")
    who: str = Field(default="", description="Who ran it.")
    commit: str = Field(default="", description="What was checked out.")


class DriftedResource(BaseModel):
    """One resource that differs, or fields of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    what: DriftKind = Field(
        description="changed, gone, recreated, appeared, new, left or interrupted."
    )
    because: str = Field(default="", description="Further notes.")
    uuid: str | MISSING = Field(
        default=ABSENT, description="The live collection's identity, where the cluster gives one."
    )
    fields: tuple[DriftedField, ...] = Field(default=(), description="What differs.")
    applied: LastApply | MISSING = Field(
        default=ABSENT, description="The last apply of it, where what was applied moved."
    )
    known: bool = Field(default=False, description="Whether the baseline holds all of it.")


class DriftCounts(BaseModel):
    """How many resources there are in each block."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    changed: int = Field(description="Changed since it was applied, and not in the baseline.")
    not_applied: int = Field(description="Merged but not yet applied.")
    unmanaged: int = Field(description="Changed but not managed, and not in the baseline.")
    interrupted: int = Field(description="Left half done by an apply.")
    known: int = Field(description="Changed or not managed, and in the baseline.")


class Drift(BaseModel):
    """What moved on the cluster since it was applied, and what was not applied yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=DRIFT_FORMAT, description="Version of this format.")
    qdrantctl_version: str = Field(description="Version of the program that created it.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    server: PlannedServer = Field(description="The server that was read.")
    recorded: int = Field(description="Resources that the ledger holds of this owner.")
    lost: bool = Field(description="Whether ledger entries are missing that must have existed.")
    strict: bool = Field(description="Whether what is not managed counts as drift (--unmanaged).")
    changed: tuple[DriftedResource, ...] = Field(
        default=(), description="Changed since it was applied."
    )
    not_applied: tuple[DriftedResource, ...] | MISSING = Field(
        default=ABSENT, description="Merged but not yet applied; left out without manifests."
    )
    unmanaged: tuple[DriftedResource, ...] = Field(
        default=(), description="Changed but not managed."
    )
    interrupted: tuple[DriftedResource, ...] = Field(
        default=(),
        description="Left incomplete by an apply; the next one finishes them.",
    )
    notes: tuple[str, ...] = Field(default=(), description="Further notes.")
    snapshots: Mapping[str, int] | MISSING = Field(
        default=ABSENT,
        description="What is not as the snapshot policies say, counted: overdue, incomplete, "
        "unverified, superfluous, unseen and restoring. Absent where there is no policy.",
    )

    @property
    def owner(self) -> str:
        """Project and environment together."""
        return f"{self.project}/{self.environment}"

    @property
    def counts(self) -> DriftCounts:
        """The blocks, counted."""
        return DriftCounts(
            changed=sum(not moved.known for moved in self.changed),
            not_applied=0 if self.not_applied is MISSING else len(self.not_applied),
            unmanaged=sum(not moved.known for moved in self.unmanaged),
            interrupted=len(self.interrupted),
            known=sum(moved.known for moved in (*self.changed, *self.unmanaged)),
        )

    @property
    def has_drift(self) -> bool:
        """Whether there is something to raise an alarm about."""
        counts = self.counts
        return self.lost or bool(counts.changed) or (self.strict and bool(counts.unmanaged))

    def document(self) -> dict[str, Any]:
        """The report as JSON (`schemas/drift.json`)."""
        plain = self.model_dump(mode="json")
        return plain | {"summary": self.counts.model_dump(mode="json"), "drift": self.has_drift}


class KnownDrift(BaseModel):
    """One difference that is no news: where it is, and what the cluster had there."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    path: tuple[str | int, ...] = Field(description="Field of it; empty for the resource itself.")
    digest: str = Field(description="sha256 of what the cluster had, never the value itself.")


class Baseline(BaseModel):
    """Drift that is known, so that only what is new raises an alarm."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=DRIFT_FORMAT, description="Version of this format.")
    owner: str = Field(description="Project and environment, `shop/prod`.")
    known: tuple[KnownDrift, ...] = Field(default=(), description="In the order of addresses.")
