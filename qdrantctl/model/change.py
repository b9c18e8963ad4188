"""The changes of a plan and their fields. These models are also the plan's JSON."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from operator import not_
from typing import Annotated, Any, Literal

from pydantic import (
    MISSING,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
)

from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.lazy_model import LATER, LazyModel
from qdrantctl.model.resource import Origin
from qdrantctl.model.step import Step


class Action(StrEnum):
    """What a plan does to a resource.

    | action  | before            | after                                    |
    |---------|-------------------|------------------------------------------|
    | create  | not live          | live and recorded                        |
    | update  | live              | changed in place, recorded               |
    | replace | live              | deleted and recreated, recorded          |
    | delete  | live and recorded | deleted, its record kept as deleted      |
    | adopt   | live              | recorded; changed only where it differed |
    | forget  | recorded          | no longer recorded, not destroyed        |
    | run     | a policy is due   | run                                      |
    | noop    | as desired        | unchanged                                |
    | refused | any               | unchanged: the change is not possible    |
    """

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"
    NOOP = "noop"
    REFUSED = "refused"
    RUN = "run"


IDLE_ACTIONS = (Action.NOOP, Action.REFUSED)
"""Those that change nothing."""


NOT_MANAGED = "not managed"
"""The reason of a value that no manifest states, and that no apply has set: it stays."""


class Cause(StrEnum):
    """Which state changed since the last apply."""

    EDIT = "edit"
    """The manifest."""
    DRIFT = "drift"
    """The cluster."""
    BOTH = "both"
    NEW = "new"
    """Never applied before."""


class FieldChange(LazyModel):
    """One difference between desired and live state."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: tuple[str | int, ...] = Field(description="Its path in the spec.")
    recorded: Any = Field(default=ABSENT, description="The value that this owner last applied.")
    live: Any = Field(default=ABSENT, description="The value on the cluster.")
    desired: Any = Field(default=ABSENT, description="The value in the manifest.")
    effect: Effect = Field(description="same, kept, update, rebuild, replace or refused.")
    cause: Cause = Field(description="Which side changed: edit, drift, both or new.")
    because: str = Field(default="", description="The reason for the effect.")
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line that set it.")
    direction: Literal["tightens", "loosens", "narrows", "widens"] | MISSING = Field(
        default=ABSENT,
        description="Whether clients may do less or more: a limit tightens or loosens, a scope "
        "narrows or widens.",
    )
    destroys_data: bool = Field(
        default=False,
        exclude_if=not_,
        description="Whether it destroys stored data; left out if it does not.",
    )

    @property
    def is_unmanaged_limit(self) -> bool:
        """Whether it is a limit that no manifest states and no apply has set.

        Other values that are not managed are keys of a map, such as payload indexes.
        """
        is_limit = self.path[0] == "strict_mode_config" or not isinstance(self.live, list)
        return self.because == NOT_MANAGED and is_limit

    def placed_at(self, origin: Origin) -> FieldChange:
        """The same for the same value in another file; it must have an origin already.

        Plans copy hundreds of thousands of them. `model_copy` takes four times as long.
        """
        copied = FieldChange.__new__(FieldChange)
        inside = object.__setattr__
        inside(copied, "__dict__", {**self.__dict__, "origin": origin})
        inside(copied, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        inside(copied, "__pydantic_extra__", None)
        inside(copied, "__pydantic_private__", None)
        return copied

    @field_serializer("effect")
    def _effect_name(self, effect: Effect) -> str:
        return effect.name.lower()

    @field_validator("effect", mode="before")
    @classmethod
    def _parse_effect(cls, effect: Any) -> Any:
        """The inverse: a plan is read back from its JSON."""
        return Effect.__members__.get(effect.upper()) if isinstance(effect, str) else effect


def worst_effect(fields: Iterable[FieldChange]) -> Effect:
    """The effect that decides the action on a resource."""
    return max((field.effect for field in fields), default=Effect.SAME)


def identify_fields(fields: Iterable[FieldChange]) -> Hashable:
    """Equal for fields with the very same values. Where they are stated does not count.

    Compare it only while the fields of both sides exist.
    """
    return tuple(
        (f.path, f.effect, f.cause, f.because, f.direction, f.destroys_data, id(f.desired),
         id(f.live), id(f.recorded))
        for f in fields
    )  # fmt: skip


class SchemaVersion(LazyModel):
    """How often the desired state of a resource has changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    recorded: int | MISSING = Field(default=ABSENT, description="When it was last applied.")
    desired: int | MISSING = Field(default=ABSENT, description="Once this plan is applied.")


class ReplacementForecast(LazyModel):
    """What a replacement without downtime takes, moves, promises and does not promise."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    old: str = Field(description="Name of the old collection on the cluster.")
    new: str = Field(description="Name of the new collection on the cluster.")
    phase: str = Field(description="The phase that comes next: create, fill and so on.")
    rollback: bool = Field(default=False, description="Whether it is a rollback.")
    points: int | MISSING = Field(
        default=ABSENT, description="Points of the old collection; left out if unknown."
    )
    shards: int = Field(description="Shards of the new collection.")
    replicas: int = Field(description="Replicas of each of them.")
    disk_bytes: int | MISSING = Field(
        default=ABSENT,
        description="Bytes that the new collection is expected to take on disk, beside the old one "
        "and over all replicas; left out if the number of points is unknown.",
    )
    ram_bytes: int | MISSING = Field(
        default=ABSENT, description="The same in memory, for vectors, indexes and payload."
    )
    aliases: tuple[str, ...] = Field(default=(), description="The aliases that move.")
    promises: tuple[str, ...] = Field(default=(), description="What holds meanwhile.")
    limits: tuple[str, ...] = Field(default=(), description="What is not promised.")


RETIRES = "the old collection of its replacement is deleted, with its points"
"""Why a change removes the old collection of a replacement."""


class Change(LazyModel):
    """What a plan does to one resource."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    action: Action = Field(description="What the plan does to it.")
    cause: Cause = Field(description="Which side changed: edit, drift, both or new.")
    because: str = Field(default="", description="The reason, if the action needs one.")
    uuid: str | MISSING = Field(
        default=ABSENT, description="The live collection's identity, if the cluster has them."
    )
    created_at: str | MISSING = Field(
        default=ABSENT,
        description="When the live collection was created, if the server reports it.",
    )
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line of the manifest.")
    schema_version: SchemaVersion = Field(
        default=SchemaVersion(), description="How often its desired state has changed."
    )
    fields: tuple[FieldChange, ...] = Field(default=(), description="What differs.")
    disk_bytes: int | MISSING = Field(
        default=ABSENT,
        description="Bytes of one replica of each shard that the server reads and rewrites at most "
        "to re-index; left out where it does not, and before Qdrant 1.18.",
    )
    points: int | MISSING = Field(
        default=ABSENT,
        description="Points of the live collection, where it is destroyed, replaced or re-indexed.",
    )
    replacement: Annotated[ReplacementForecast, LATER] | MISSING = Field(
        default=ABSENT, description="Of a replacement without downtime (lifecycle.replace)."
    )
    steps: tuple[Annotated[Step, LATER], ...] = Field(
        default=(), description="The requests that carry it out."
    )
    record: Mapping[str, Json] | MISSING = Field(
        default=ABSENT, description="The ledger entry after the change."
    )

    @cached_property
    def parsed_address(self) -> Address:
        """The address as a value."""
        return Address.parse(self.address)

    @property
    def counted_as(self) -> Action:
        """The action that summaries count: an adoption that changes fields is an update."""
        is_update = self.action is Action.ADOPT and worst_effect(self.fields) > Effect.KEPT
        return Action.UPDATE if is_update else self.action

    @property
    def retires(self) -> bool:
        """Whether it removes the old collection of a replacement, which was kept."""
        return self.because == RETIRES

    @property
    def destroys(self) -> bool:
        """Whether it removes a live resource. A replacement without downtime keeps the old one."""
        is_kept = self.replacement is not ABSENT
        return self.action is Action.DELETE or (self.action is Action.REPLACE and not is_kept)
