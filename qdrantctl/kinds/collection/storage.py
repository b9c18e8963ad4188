"""Where a collection is stored: write-ahead log, payload and ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from qdrantctl.kinds.collection.common import FIXED, MEMORY_GATE, REWRITE, U64, Memory, Placement
from qdrantctl.model.field_rule import Availability, Effect, FieldRule
from qdrantctl.model.spec import Spec


class Wal(Spec):
    """The write-ahead log. Bounded here: the server checks no upper bounds."""

    wal_capacity_mb: Annotated[
        Annotated[int, Field(ge=1, le=2**20)] | None,
        FIXED,
        Field(description="Size of one segment in megabytes, at most 1048576. Default 32."),
    ] = None
    wal_segments_ahead: Annotated[
        Annotated[int, Field(ge=0, le=1000)] | None,
        FIXED,
        Field(description="Segments created in advance, at most 1000. Default 0."),
    ] = None
    wal_retain_closed: Annotated[
        Annotated[int, Field(ge=1, le=U64)] | None,
        replace(FIXED, gate=Availability(since="1.15.2")),
        Field(description="Closed segments that are kept, at least 1. Default 1."),
    ] = None


class PayloadStorage(Spec):
    """Where payload lives."""

    memory: Annotated[
        Placement | None,
        replace(REWRITE, gate=MEMORY_GATE),
        Field(description="cold or cached."),
    ] = None


class IdTracker(Spec):
    """Where the ids of points live, in indexed segments."""

    memory: Annotated[
        Memory | None,
        FieldRule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            because="rewrites the collection's indexed segments",
        ),
        Field(description="cold, cached or pinned. Default pinned."),
    ] = None
