"""A step of a plan as data. Plans contain the exact requests that apply sends.

Each kind of step is a type here, a field of `Step`, and a performer (`flows/execution/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import not_
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import MISSING, ConfigDict, Field, model_validator

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.server import Server, Version

SERVER_WAIT = 20
"""Seconds after which a server answers a write that it has not carried out yet. It may wait twice,
for the other nodes and for the shards, and both must end before the client's connection does."""
_READING_PATHS = ("/points/scroll", "/points/count", "/points/query", "/audit/logs")
_TAKES_TIMEOUT = Version(1, 17, 0)
"""Older servers refuse the parameter `timeout` of writes to indexes and points with 400."""


class Call(LazyModel):
    """One REST request."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False
    """Whether it changes no resource, and so runs before the ledger entry is `pending`."""

    method: str = Field(description="GET, PUT, POST, PATCH or DELETE.")
    path: str = Field(description="Path below the server's URL, every name percent-encoded.")
    query: Mapping[str, str] = Field(default_factory=dict, description="Query parameters.")
    body: Json = Field(default=ABSENT, description="The JSON body; left out if there is none.")

    @property
    def writes(self) -> bool:
        """Whether the request can change the cluster. Some POSTs only read."""
        return self.method != "GET" and not self.path.endswith(_READING_PATHS)


class Snapshot(LazyModel):
    """A snapshot of a collection, kept on every node that holds its shards.

    It is read back, and restored on trial under a temporary name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = True

    collection: str = Field(description="Name of the collection, as in its address.")
    object: str = Field(
        default="",
        exclude_if=not_,
        description="Its name on the cluster, if it is not the current one of its address; left "
        "out otherwise.",
    )
    nodes: tuple[str, ...] = Field(
        default=(), description="Each node's own address; empty where the server is the only one."
    )


class TakeSet(LazyModel):
    """A snapshot of a collection on every node, copied to destinations of a policy as a set."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection, as in its address.")
    nodes: tuple[str, ...] = Field(
        default=(), description="Each node's own address; empty where the server is the only one."
    )
    to: tuple[str, ...] = Field(description="The destinations for which it is due.")


class ResumeSet(LazyModel):
    """A set that an earlier run left unfinished: copy its files, remove the server copies."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection.")
    folder: str = Field(description="Folder of the set below each destination.")
    destinations: tuple[str, ...] = Field(description="The destinations of the unfinished set.")


class RemoveSet(LazyModel):
    """A set that retention no longer keeps, removed from a destination.

    It is kept if the newer sets that replace it could not be created or finished.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection; empty if unknown.")
    folder: str = Field(description="Folder of the set below the destination.")
    destination: str = Field(description="The destination: a URL, or `cluster`.")
    unless_finished: bool = Field(
        default=False,
        description="Whether it is removed only if an earlier step could not finish it, so that a "
        "newer set replaces it.",
    )


class Restore(LazyModel):
    """A collection recovered from a snapshot, each node's file on that node.

    Settings that a server does not take from a snapshot are set again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    collection: str = Field(description="Name of the collection that the snapshot is of.")
    snapshot: str = Field(description="Id of the snapshot in the ledger.")
    name: str = Field(description="Name of the collection that is created, as in its address.")
    object: str | MISSING = Field(
        default=ABSENT, description="Its name on the cluster, if that is another one."
    )
    nodes: tuple[str, ...] = Field(
        default=(), description="Each node's own address; empty where the server is the only one."
    )

    @property
    def object_name(self) -> str:
        """The collection's name on the cluster."""
        return self.object if isinstance(self.object, str) else self.name


class _ReplacementPhase(LazyModel):
    """A phase of a replacement without downtime; it continues where an earlier run ended."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    is_preparatory: ClassVar[bool] = False

    source: str = Field(description="Name of the collection that the points come from.")
    target: str = Field(description="Name of the collection that they go to.")


class Fill(_ReplacementPhase):
    """Write every point of the source to the target."""

    by: Literal["copy", "command", "external"] = Field(
        description="copy, command (a program makes the vectors) or external (another program)."
    )
    environment: str = Field(
        default="", description="The environment that the source is in; empty for this one."
    )


class CatchUp(_ReplacementPhase):
    """Compare both collections and write what differs, until almost nothing does."""


class Verify(_ReplacementPhase):
    """Check settings, points and indexes of the target; a failed check ends the change."""


class SwitchAliases(_ReplacementPhase):
    """Move every alias of the source to the target in one request, without a lost write."""

    aliases: tuple[str, ...] = Field(description="The aliases.")


class Sweep(_ReplacementPhase):
    """Carry over what was written to the source before the aliases moved."""


class Keep(_ReplacementPhase):
    """Keep the source for a while, so that a rollback is possible."""

    duration: str = Field(description="How long, as in 7d or 12h.")


class Step(LazyModel):
    """A step of a plan. Exactly one of its fields is set."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        json_schema_extra={"minProperties": 1, "maxProperties": 1},
    )

    call: Call | MISSING = Field(default=ABSENT, description="A REST request.")
    snapshot: Snapshot | TakeSet | MISSING = Field(
        default=ABSENT,
        description="A snapshot to take: before points are destroyed, or for a policy.",
    )
    restore: Restore | MISSING = Field(
        default=ABSENT, description="A snapshot to restore as a collection."
    )
    resume: ResumeSet | MISSING = Field(
        default=ABSENT, description="A snapshot set of an earlier run to finish."
    )
    remove: RemoveSet | MISSING = Field(default=ABSENT, description="A snapshot set to remove.")
    fill: Fill | MISSING = Field(default=ABSENT, description="A new collection to fill.")
    catch_up: CatchUp | MISSING = Field(
        default=ABSENT, description="A new collection to bring up to date."
    )
    verify: Verify | MISSING = Field(default=ABSENT, description="A new collection to check.")
    switch: SwitchAliases | MISSING = Field(default=ABSENT, description="Aliases to move.")
    sweep: Sweep | MISSING = Field(default=ABSENT, description="Late writes to carry over.")
    keep: Keep | MISSING = Field(default=ABSENT, description="An old collection to keep.")

    @model_validator(mode="after")
    def _require_one_field(self) -> Step:
        kinds = list(type(self).model_fields)
        if sum(getattr(self, kind) is not ABSENT for kind in kinds) != 1:
            raise ValueError(f"a step is exactly one of {', '.join(kinds[:-1])} and {kinds[-1]}")
        return self

    @property
    def value(self) -> Any:
        """The one field that is set: a Call, a Snapshot, a TakeSet and so on."""
        values = (getattr(self, kind) for kind in type(self).model_fields)
        return next(value for value in values if value is not ABSENT)


def wait_query(server: Server, most: int | None = None) -> dict[str, str]:
    """The query of a write to indexes, vector names or points that waits until it is done.

    A server that takes a timeout answers `wait_timeout` once that has passed, and goes on. `most`
    is the longest that the collection allows, in seconds.
    """
    if server.version < _TAKES_TIMEOUT:
        return {"wait": "true"}
    seconds = SERVER_WAIT if most is None else min(SERVER_WAIT, most)
    return {"wait": "true", "timeout": str(seconds)}


def list_calls(steps: Iterable[Step]) -> list[Call]:
    """The requests among steps, in their order."""
    return [step.call for step in steps if isinstance(step.call, Call)]


def collection_path(name: str, *rest: str) -> str:
    """`/collections/{name}/…` with every name percent-encoded, `/` included."""
    return "/".join(["/collections", *(quote(word, safe="") for word in (name, *rest))])
