"""The drift report: changes since the last apply, on the cluster and in the manifests."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.plan import PlannedServer
from qdrantctl.model.resource import Origin

DRIFT_FORMAT = "1.0"
"""Version of report and baseline: additions raise the minor number, other changes the major."""


class DriftKind(StrEnum):
    """How a resource differs."""

    CHANGED = "changed"
    """Some of its fields differ."""
    GONE = "gone"
    """It was deleted outside qdrantctl."""
    RECREATED = "recreated"
    """It was deleted and recreated: same name, another identity."""
    APPEARED = "appeared"
    """No manifest declares it, and it was never applied."""
    NEW = "new"
    """Declared, but never applied."""
    LEFT = "left"
    """Applied, but no longer declared."""
    HIDDEN = "hidden"
    """An alias of its name hides it (QC224)."""
    INTERRUPTED = "interrupted"
    """An apply of it was interrupted."""


class DriftedField(LazyModel):
    """One field that differs."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: tuple[str | int, ...] = Field(description="Its path in the spec.")
    before: Any = Field(
        default=ABSENT, description="The value that was applied, or read after apply."
    )
    now: Any = Field(
        default=ABSENT,
        description="The value on the cluster; under not_applied the desired one.",
    )
    because: str = Field(default="", description="Further notes.")
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line that set it.")
    known: bool = Field(default=False, description="Whether the baseline contains it.")


class LastApply(LazyModel):
    """The last apply of a resource."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    when: str = Field(default="", description="Time, UTC.")
    who: str = Field(default="", description="Who ran it.")
    commit: str = Field(default="", description="The commit that was checked out.")


class DriftedResource(LazyModel):
    """One resource that differs, or fields of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    what: DriftKind = Field(
        description="changed, gone, recreated, appeared, new, left, hidden or interrupted."
    )
    because: str = Field(default="", description="Further notes.")
    uuid: str | MISSING = Field(
        default=ABSENT, description="The live collection's identity, if the cluster has them."
    )
    created_at: str | MISSING = Field(
        default=ABSENT,
        description="When the live collection was created, if the server reports it.",
    )
    fields: tuple[DriftedField, ...] = Field(default=(), description="What differs.")
    applied: LastApply | MISSING = Field(
        default=ABSENT, description="The last apply of it, if the cluster changed since."
    )
    known: bool = Field(default=False, description="Whether the baseline contains all of it.")


class DriftCounts(LazyModel):
    """The number of resources in each block."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    changed: int = Field(description="Changed since it was applied, and not in the baseline.")
    not_applied: int = Field(description="Merged but not yet applied.")
    unmanaged: int = Field(description="Changed but not managed, and not in the baseline.")
    interrupted: int = Field(description="Left incomplete by an interrupted apply.")
    known: int = Field(description="Changed or not managed, and in the baseline.")


class Drift(LazyModel):
    """Changes on the cluster since the last apply, and changes that are not applied yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=DRIFT_FORMAT, description="Version of this format.")
    qdrantctl_version: str = Field(description="Version of the program that created it.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    server: PlannedServer = Field(description="The server that was read.")
    recorded: int = Field(description="Resources of this owner in the ledger.")
    lost: bool = Field(description="Whether ledger entries are missing that must have existed.")
    strict: bool = Field(description="Whether unmanaged resources count as drift (--unmanaged).")
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
        description="Deviations from the snapshot policies, counted: overdue, incomplete, "
        "unverified, superfluous, unseen and restoring. Absent without a policy.",
    )

    @property
    def owner(self) -> str:
        """Project and environment together."""
        return f"{self.project}/{self.environment}"

    @property
    def counts(self) -> DriftCounts:
        """The number of resources in each block."""
        return DriftCounts(
            changed=sum(not resource.known for resource in self.changed),
            not_applied=0 if self.not_applied is MISSING else len(self.not_applied),
            unmanaged=sum(not resource.known for resource in self.unmanaged),
            interrupted=len(self.interrupted),
            known=sum(resource.known for resource in (*self.changed, *self.unmanaged)),
        )

    @property
    def has_drift(self) -> bool:
        """Whether the report contains drift that is not in the baseline."""
        counts = self.counts
        return self.lost or bool(counts.changed) or (self.strict and bool(counts.unmanaged))

    def document(self) -> dict[str, Any]:
        """The report as JSON (`schemas/drift.json`)."""
        plain = self.model_dump(mode="json")
        return plain | {"summary": self.counts.model_dump(mode="json"), "drift": self.has_drift}


class KnownDrift(LazyModel):
    """One difference in the baseline: its place, and a digest of the cluster's value."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    path: tuple[str | int, ...] = Field(description="Field of it; empty for the resource itself.")
    digest: str = Field(description="sha256 of the cluster's value, never the value itself.")


class Baseline(LazyModel):
    """Known drift: only differences that are not in it count as drift."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=DRIFT_FORMAT, description="Version of this format.")
    owner: str = Field(description="Project and environment, `shop/prod`.")
    known: tuple[KnownDrift, ...] = Field(default=(), description="In the order of addresses.")
