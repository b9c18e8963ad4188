"""What `show` and `history` tell: one resource in two worlds, and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import Json


class HistoryEntry(BaseModel):
    """One apply of one resource, as the ledger remembers it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(description="`kind/name`.")
    owner: str = Field(description="Project and environment.")
    when: str = Field(description="UTC, ISO 8601.")
    who: str = Field(description="Who ran it.")
    commit: str = Field(description="What was checked out; empty where not known.")
    run: str = Field(description="Address of the CI run; empty where there was none.")
    action: str = Field(description="create, update, replace, delete, adopt or forget.")
    schema_version: int = Field(description="How often what is asked had changed by then.")
    way_back: str = Field(
        default="", description="The command that brings back the points that were destroyed."
    )


class ResourceView(BaseModel):
    """One resource: what was last applied, and what is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(description="`kind/name`.")
    owner: str = Field(
        default="", description="Owner that recorded it; empty if it has no ledger entry."
    )
    schema_version: int = Field(default=0, description="How often what is asked has changed.")
    pending: bool = Field(default=False, description="An apply of it was interrupted.")
    recorded: Mapping[str, Json] | None = Field(default=None, description="What was last applied.")
    live: Mapping[str, Json] | None = Field(default=None, description="What the cluster has.")
    points: int | None = Field(default=None, description="Stored points, where that is known.")
    status: str = Field(default="", description="green, yellow, grey or red.")
    aliases: tuple[str, ...] = Field(default=(), description="Its live aliases.")
    uuid: str = Field(default="", description="The live collection's identity.")
    events: tuple[HistoryEntry, ...] = Field(
        default=(), description="The last applies, newest first."
    )
