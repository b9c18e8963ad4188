"""Types and rules that the parts of the collection's spec share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from qdrantctl.model.field_rule import Availability, Deprecation, Effect, FieldRule

U32 = 2**32 - 1
U64 = 2**64 - 1

FIXED = FieldRule(
    add=Effect.REPLACE,
    change=Effect.REPLACE,
    because="fixed when the collection is created",
)
REINDEX = FieldRule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    because="re-indexes the collection",
)
REWRITE = FieldRule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    because="rewrites the collection's segments",
)
Memory = Literal["cold", "cached", "pinned"]
Placement = Literal["cold", "cached"]
"""Of vectors and payload: `pinned` is refused with 422 (1.19.0)."""
MEMORY_GATE = Availability(since="1.19.0")
ON_DISK_FILE = Deprecation("1.19.0", "Write memory: cold for true, memory: cached for false.")
"""Of vectors and graphs, whose data is a file that the system may cache."""
ON_DISK_HEAP = Deprecation("1.19.0", "Write memory: cold for true, memory: pinned for false.")
"""Of sparse and payload indexes, which are kept on the heap unless they are on disk."""
Count = Annotated[int, Field(ge=0, le=U64)]
PositiveU32 = Annotated[int, Field(ge=1, le=U32)]
