"""Parameters that several types of payload index have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field

from qdrantctl.kinds.collection.common import MEMORY_GATE, Memory
from qdrantctl.kinds.collection.payload_paths import reported_array
from qdrantctl.model.field_rule import ABSENT, Availability, Deprecation, Effect, FieldRule, Json


def rebuilding_rule(
    neutral: Json = ABSENT,
    since: str = "",
    values: Mapping[str, Availability] | None = None,
    whole: bool = False,
    short: str | None = None,
) -> FieldRule:
    """The rule of a parameter: every change of it rebuilds the index."""
    return FieldRule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.REBUILD,
        because="rebuilds the payload index; filters on it are slow meanwhile",
        drop_because="rebuilds the payload index; filters on it are slow meanwhile",
        unset_value=neutral,
        gate=Availability(since=since),
        values=values or {},
        replaced_as_unit=whole,
        shorthand_key=short,
    )


INDEX_TYPE = rebuilding_rule(values={"uuid": Availability(since="1.11.0")})
OnDisk = Annotated[
    bool | None,
    replace(
        rebuilding_rule(False, "1.11.0"),
        deprecated=Deprecation(
            "1.19.0", "Write memory: cold for true, which builds the index again; leave false out."
        ),
    ),
    Field(description="Keep the index on disk. Default false."),
]
ExtraLinks = Annotated[
    bool | None,
    rebuilding_rule(True, "1.17.0"),
    Field(description="Build the extra graph links that filtering uses. Default true."),
]
IndexMemory = Annotated[
    Memory | None,
    replace(rebuilding_rule(), gate=MEMORY_GATE),
    Field(description="Where the index lives: cold, cached or pinned."),
]
Principal = Annotated[
    bool | None,
    rebuilding_rule(False, "1.11.0"),
    Field(description="Lay storage out by this field, as time series need it. Default false."),
]
Tenant = Annotated[
    bool | None,
    rebuilding_rule(False, "1.11.0"),
    Field(description="Lay storage out by tenant. Default false."),
]
Nested = Annotated[
    Annotated[str, AfterValidator(reported_array)] | None,
    rebuilding_rule(since="1.20.0"),
    Field(
        description="The array whose objects are indexed one by one: offers, for the field "
        "offers[].price. Default: points are indexed as a whole."
    ),
]
