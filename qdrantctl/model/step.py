"""A step: one thing to do, as data. A plan shows exactly what will be sent.

A kind of steps is a type here, a field of `Step`, and a performer (`flows/execution/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import MISSING, BaseModel, ConfigDict, Field, model_validator

from qdrantctl.model.field_rule import ABSENT, Json


class Call(BaseModel):
    """One REST request."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False
    """Whether it changes no resource, so that it comes before the ledger says `pending`."""

    method: str = Field(description="GET, PUT, POST, PATCH or DELETE.")
    path: str = Field(description="Path below the server's URL, every name percent-encoded.")
    query: Mapping[str, str] = Field(default_factory=dict, description="Query parameters.")
    body: Json = Field(default=ABSENT, description="The JSON body; left out when there is none.")

    @property
    def writes(self) -> bool:
        """Whether the request can change the cluster. Scrolling is a POST that only reads."""
        return self.method != "GET" and not self.path.endswith("/points/scroll")


class Snapshot(BaseModel):
    """A snapshot of a collection on every node that holds shards of it, checked and kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = True

    collection: str = Field(description="Name of the collection.")
    nodes: tuple[str, ...] = Field(
        default=(), description="Each node's own address; empty where the server is the only one."
    )


class TakeSet(BaseModel):
    """A snapshot of a collection on every node, copied to destinations of a policy as a set."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection.")
    nodes: tuple[str, ...] = Field(
        default=(), description="Each node's own address; empty where the server is the only one."
    )
    to: tuple[str, ...] = Field(description="The destinations where it is due.")


class ResumeSet(BaseModel):
    """A set that an earlier run has begun: its files copied, the servers' own copies removed."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection.")
    folder: str = Field(description="Folder of the set below each destination.")
    destinations: tuple[str, ...] = Field(description="Where it was begun.")


class RemoveSet(BaseModel):
    """A set that retention no longer keeps, removed from a destination.

    It stays where the sets for which it gives way could not be taken or finished.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection; empty where nothing tells it.")
    folder: str = Field(description="Folder of the set below the destination.")
    destination: str = Field(description="Where it is removed: a URL, or `cluster`.")
    unless_finished: bool = Field(
        default=False,
        description="Whether it is removed only where a step before could not finish it, so that "
        "it gives way to a newer set.",
    )


class Restore(BaseModel):
    """A collection made from a snapshot, each node's file on that node."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection that the snapshot is of.")
    snapshot: str = Field(description="Which snapshot of it: its id in the ledger.")
    name: str = Field(description="Name of the collection that is created.")
    nodes: tuple[str, ...] = Field(
        default=(), description="Each node's own address; empty where the server is the only one."
    )


class Step(BaseModel):
    """A step of a plan. Exactly one word says what it is."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        json_schema_extra={"minProperties": 1, "maxProperties": 1},
    )

    call: Call | MISSING = Field(default=ABSENT, description="A REST request.")
    snapshot: Snapshot | TakeSet | MISSING = Field(
        default=ABSENT,
        description="A snapshot that is taken: before points are destroyed, or by a policy.",
    )
    restore: Restore | MISSING = Field(
        default=ABSENT, description="A snapshot that becomes a collection."
    )
    resume: ResumeSet | MISSING = Field(
        default=ABSENT, description="A snapshot set of an earlier run that is finished."
    )
    remove: RemoveSet | MISSING = Field(
        default=ABSENT, description="A snapshot set that is removed."
    )

    @model_validator(mode="after")
    def _one_word(self) -> Step:
        kinds = list(type(self).model_fields)
        if sum(getattr(self, kind) is not ABSENT for kind in kinds) != 1:
            raise ValueError(f"a step is exactly one of {', '.join(kinds[:-1])} and {kinds[-1]}")
        return self

    @property
    def value(self) -> Any:
        """The one thing that it is: a Call, a Snapshot, a TakeSet and so on."""
        values = (getattr(self, kind) for kind in type(self).model_fields)
        return next(value for value in values if value is not ABSENT)


def list_calls(steps: Iterable[Step]) -> list[Call]:
    """The requests among steps, in their order."""
    return [step.call for step in steps if isinstance(step.call, Call)]


def collection_path(name: str, *rest: str) -> str:
    """`/collections/{name}/…` with every name percent-encoded, `/` included."""
    return "/".join(["/collections", *(quote(word, safe="") for word in (name, *rest))])
