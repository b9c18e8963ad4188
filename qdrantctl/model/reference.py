"""What depends on what: an alias on its collection, a collection on the nodes that hold it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NODE = "node"
"""The first part of the address of a node: `node/PEER`."""


class Reference(BaseModel):
    """One resource that depends on another."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    source: str = Field(description="`kind/name` of the resource that depends on the other one.")
    target: str = Field(
        description="`kind/name` of the other one, or `node/PEER` of a node that holds its shards."
    )
