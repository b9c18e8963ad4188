"""A replacement without downtime: its settings in the manifest, and its record in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from qdrantctl.model.address import Address
from qdrantctl.model.duration import PATTERN, parse_duration
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.spec import Spec

RECORD_KIND = "replacement"
"""The kind of its addresses in the ledger: `replacement/products`. It is no resource."""
PAUSED = "paused"
"""Key of its entry beside the record: the operator pauses it while a run writes the record."""
NOT_RECORDED = {PAUSED, "run_by"}
"""Fields that the record in the ledger does not have."""
MARK = "_qdrantctl_mark"
"""Payload key of the mark of `PointStore.mark_points`; it stands for moments in single points."""


class Phase(StrEnum):
    """The phases of a replacement, in their order."""

    CREATE = "create"
    FILL = "fill"
    CATCH_UP = "catch_up"
    GATE = "gate"
    SWITCH = "switch"
    SWEEP = "sweep"
    KEEP = "keep"

    @property
    def is_after_switch(self) -> bool:
        """Whether the aliases lead to the new collection."""
        return self in (Phase.SWEEP, Phase.KEEP)


def _check_duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        hint = "Write a number and m, h or d, as in 7d or 12h."
        raise PydanticCustomError(
            "duration", "{reason}", {"reason": str(error), "rule": "QC045", "hint": hint}
        ) from None
    return text


class VerifySettings(Spec):
    """What the gate checks before the switch, beside payload indexes and optimizers."""

    counts: bool = Field(
        default=True, description="Whether both collections must hold equally many points."
    )
    sample: int = Field(
        default=1000, ge=0, le=100_000, description="Number of random points that must be equal."
    )
    recall_at_10: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Least share of the 10 nearest points that a search of the new collection "
        "finds, compared with exact search.",
    )
    command: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Program and arguments of a check of your own; it passes with exit code 0.",
    )


class SourceSettings(Spec):
    """Another cluster that the points are copied from."""

    environment: str = Field(description="Environment of this project.")


class ReplacementSettings(Spec):
    """`lifecycle.replacement`: how a new collection is filled, verified and kept."""

    fill: Literal["copy", "command", "external"] = Field(
        default="copy",
        description="Who fills the new collection: copy (vectors and payload as they are), command "
        "(a program of yours makes the vectors), external (another program).",
    )
    command: list[str] | None = Field(
        default=None,
        min_length=1,
        description="With fill: command, program and arguments. It reads points as JSON lines and "
        "answers with their new vectors.",
    )
    text_fields: list[str] | None = Field(
        default=None,
        min_length=1,
        description="With fill: command, the payload fields that the vectors are made of: a point "
        "gets new vectors if one of them changes. Left out: whenever anything of it changes.",
    )
    writers: Literal["live", "dual", "frozen"] = Field(
        default="live",
        description="How applications write meanwhile: live (through the alias), dual (into both "
        "collections), frozen (not at all).",
    )
    verify: VerifySettings = Field(
        default_factory=VerifySettings, description="What must hold before the switch."
    )
    keep: Annotated[
        str,
        AfterValidator(_check_duration),
        WithJsonSchema({"type": "string", "pattern": PATTERN}),
    ] = Field(default="7d", description="How long the old collection is kept, as in 7d or 12h.")
    rate: int | None = Field(
        default=None, ge=1, description="Most points written per second; left out: no limit."
    )
    source: SourceSettings | None = Field(
        default=None, alias="from", description="Another cluster that the points are copied from."
    )

    def document(self) -> dict[str, Json]:
        """The canonical JSON form without defaults, so that setting a default changes nothing."""
        result: dict[str, Json] = self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude_none=True
        )
        return {name: value for name, value in result.items() if value != {}}


class CollectionRef(LazyModel):
    """A collection on the cluster: its name there, and what tells it from a recreated one."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    name: str
    uuid: str = ""
    created_at: str = ""


class ReplacementRecord(LazyModel):
    """The state of a replacement, in the ledger under `replacement/NAME` until it is finished."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    id: str = Field(description="Random id of this replacement.")
    owner: str = Field(description="Project and environment.")
    collection: str = Field(description="Name in the address of the collection.")
    phase: Phase = Field(description="The phase that is under way, or comes next.")
    settings: dict[str, Json] = Field(description="`lifecycle.replacement` when it was begun.")
    old: CollectionRef
    new: CollectionRef
    aliases: tuple[str, ...] = Field(default=(), description="The aliases that move.")
    entry: dict[str, Json] = Field(description="The ledger record of the collection afterwards.")
    before: dict[str, Json] = Field(
        default_factory=dict, description="The ledger record of the collection before."
    )
    begun: str = Field(description="When, in ISO 8601.")
    switched: str = Field(default="", description="When the aliases moved; empty before.")
    keep_until: str = Field(default="", description="Until when the old collection is kept.")
    paused: bool = Field(default=False, description="Whether the operator paused it.")
    run_by: str = Field(default="", description="Who carries it out at the moment; not recorded.")
    returning: bool = Field(default=False, description="Whether a rollback is under way.")
    carries: bool = Field(
        default=True, description="Whether points are carried over; a rollback may not be able to."
    )
    frozen_caps: dict[str, Json] | None = Field(
        default=None,
        description="Strict mode of the collection whose writes are refused for the switch.",
    )
    lifted_caps: dict[str, Json] | None = Field(
        default=None,
        description="Caps of the new collection that are lifted for the conditions of the sweep.",
    )
    marked: bool = Field(
        default=False, description="Whether single points may have a mark of the sweep."
    )
    form: Literal["", "wire", "json"] = Field(
        default="",
        description="The form in which points are compared, gRPC or JSON: their digests differ.",
    )
    cursors: dict[str, Json] = Field(
        default_factory=dict, description="How far the fill is, by shard key and range."
    )
    expected: int = Field(default=0, description="Points of the old collection at the beginning.")
    done: int = Field(default=0, description="Points of the current phase that are done.")
    rate: float = Field(default=0.0, description="Points per second of the current phase.")
    passes: tuple[int, ...] = Field(default=(), description="Differences that each pass found.")
    pass_seconds: float = Field(default=0.0, description="How long the last whole pass took.")
    conflicts: int = Field(
        default=0, description="Points that changed on both sides of the switch."
    )
    conflict_ids: tuple[int | str, ...] = Field(default=(), description="The first of their ids.")
    error: str = Field(default="", description="Why it stopped the last time; empty if it did not.")

    @property
    def address(self) -> Address:
        """The address of the collection."""
        return Address("collection", self.collection)

    @property
    def is_kept(self) -> bool:
        """Whether all that is left is the old collection, which is kept for a while."""
        return self.phase is Phase.KEEP


def parse_settings(document: Mapping[str, Json]) -> ReplacementSettings:
    """The inverse of `ReplacementSettings.document`."""
    return ReplacementSettings.model_validate(dict(document))
