"""How far a replacement is, as `replacement status` prints it."""

from __future__ import annotations

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.replacement import Phase, ReplacementRecord


class ReplacementStatus(LazyModel):
    """One replacement: its phase, its progress, and what comes next."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="Address of the collection.")
    state: str = Field(
        description="running, paused, stopped (the next apply goes on) or kept (switched, and the "
        "old collection is still there)."
    )
    phase: Phase = Field(description="create, fill, catch_up, gate, switch, sweep or keep.")
    rollback: bool = Field(description="Whether it is a rollback.")
    old: str = Field(description="Name on the cluster of the collection that is replaced.")
    new: str = Field(description="Name on the cluster of the one that replaces it.")
    aliases: tuple[str, ...] = Field(description="The aliases that move.")
    begun: str = Field(description="When, in ISO 8601.")
    switched: str = Field(default="", description="When the aliases moved; empty before.")
    keep_until: str = Field(default="", description="Until when the old collection is kept.")
    done: int = Field(description="Points of the current phase that are done.")
    points: int = Field(description="Points of the old collection at the beginning.")
    rate: float = Field(description="Points per second in the current phase.")
    remaining_seconds: int | MISSING = Field(
        default=ABSENT, description="Of the current phase at this rate; left out if unknown."
    )
    passes: tuple[int, ...] = Field(default=(), description="Differences that each pass found.")
    conflicts: int = Field(description="Points that were changed on both sides of the switch.")
    conflict_ids: tuple[int | str, ...] = Field(default=(), description="The first 1,000 of them.")
    refuses_writes: bool = Field(
        default=False, description="Whether writes to the old collection are refused right now."
    )
    holder: str = Field(default="", description="Who runs it; empty if no process does.")
    error: str = Field(default="", description="Why it stopped the last time.")

    @classmethod
    def of(cls, record: ReplacementRecord, holder: str) -> ReplacementStatus:
        """The status of a record; `holder` has the lease, and is empty if there is none."""
        running = "running" if holder else "stopped"
        state = "kept" if record.is_kept else "paused" if record.paused else running
        optional: dict[str, int] = {}
        if state == "running" and record.rate > 0 and record.expected >= record.done:
            remaining = (record.expected - record.done) / record.rate
            optional["remaining_seconds"] = round(remaining)
        return cls(
            address=str(record.address),
            state=state,
            phase=record.phase,
            rollback=record.returning,
            old=record.old.name,
            new=record.new.name,
            aliases=record.aliases,
            begun=record.begun,
            switched=record.switched,
            keep_until=record.keep_until,
            done=record.done,
            points=record.expected,
            rate=round(record.rate, 1),
            passes=record.passes,
            conflicts=record.conflicts,
            conflict_ids=record.conflict_ids,
            refuses_writes=record.frozen_caps is not None,
            holder="" if record.is_kept else holder,
            error=record.error,
            **optional,
        )


class ReplacementStatuses(LazyModel):
    """The replacements of an owner."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    owner: str = Field(description="Project and environment.")
    replacements: tuple[ReplacementStatus, ...] = Field(
        default=(), description="Those under way, and those whose old collection is kept."
    )
