"""The output of `show` and `history`: a resource as last applied and live, and its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.quota import NodeUsage
from qdrantctl.model.resource import CollectionStorage


class AppliedField(LazyModel):
    """One field that an apply changed on the cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: tuple[str | int, ...] = Field(description="Its path in the spec.")
    before: Any = Field(default=ABSENT, description="Live value before; left out if none.")
    after: Any = Field(default=ABSENT, description="Value that was applied; left out if none.")


class HistoryEntry(LazyModel):
    """One apply of one resource, as the ledger records it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    owner: str = Field(description="Project and environment.")
    when: str = Field(description="UTC, ISO 8601.")
    who: str = Field(description="Who ran it.")
    commit: str = Field(description="The commit that has what was applied; empty if none has it.")
    stated_commit: str | MISSING = Field(
        default=ABSENT,
        description="The commit that the CI was started for, if that is another one.",
    )
    run: str = Field(description="URL of the CI run; empty if there was none.")
    action: str = Field(
        description="create, update, replace, delete, adopt, forget, protect or unprotect."
    )
    schema_version: int = Field(description="How often its desired state had changed by then.")
    way_back: str = Field(
        default="", description="The command that restores the points that were destroyed."
    )
    fields: tuple[AppliedField, ...] | MISSING = Field(
        default=ABSENT,
        description="The fields that it changed; only with --diff, and only if they were recorded.",
    )


class ResourceView(LazyModel):
    """One resource: its last-applied and live state."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`kind/name`.")
    owner: str = Field(
        default="", description="Owner that recorded it; empty if it has no ledger entry."
    )
    schema_version: int = Field(default=0, description="How often its desired state has changed.")
    pending: bool = Field(default=False, description="An apply of it was interrupted.")
    recorded: Mapping[str, Json] | None = Field(default=None, description="Its last-applied spec.")
    live: Mapping[str, Json] | None = Field(default=None, description="Its spec on the cluster.")
    points: int | None = Field(default=None, description="Stored points; null if unknown.")
    status: str = Field(default="", description="green, yellow, grey or red.")
    aliases: tuple[str, ...] = Field(default=(), description="Its live aliases.")
    object: str | MISSING = Field(
        default=ABSENT, description="The collection's name on the cluster, if it is another one."
    )
    uuid: str = Field(default="", description="The live collection's identity.")
    created_at: str | MISSING = Field(
        default=ABSENT,
        description="When the live collection was created, if the server reports it.",
    )
    storage: CollectionStorage | MISSING = Field(
        default=ABSENT, description="Size of the live collection; left out before Qdrant 1.18."
    )
    usage: tuple[NodeUsage, ...] | MISSING = Field(
        default=ABSENT, description="Of the quota: how full each node is."
    )
    events: tuple[HistoryEntry, ...] = Field(
        default=(), description="The last applies, newest first."
    )
