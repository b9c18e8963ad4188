"""Strict-mode caps. None can be unset, so dropping one writes it as unlimited."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from qdrantctl.kinds.collection.common import U64, Count
from qdrantctl.model.field_rule import Availability, Deprecation, Effect, FieldRule
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec

UNLIMITED = 2**63 - 1
"""The value of a dropped cap; verified to lift it."""

OVERSAMPLING_UNLIMITED = 1e300

RATES = ("read_rate_limit", "write_rate_limit")
"""Caps whose limiter ignores `enabled` once the collection is created or loaded."""

_GONE = "unlimited (Qdrant cannot unset a cap)"


def _limit_rule(since: str = "", neutral: Any = UNLIMITED, until: str = "") -> FieldRule:
    return FieldRule(
        drop=Effect.UPDATE,
        drop_because=_GONE,
        unset_value=neutral,
        gate=Availability(since=since, until=until),
        is_limit=True,
    )


def _keyed_limit_rule(since: str) -> FieldRule:
    return FieldRule(
        drop=Effect.UPDATE,
        drop_because="removes the cap",
        gate=Availability(since=since),
        merge_before_send=True,
        is_limit=True,
    )


_NODE_WIDE = Deprecation(
    "1.19.0",
    "Memory is shared by all collections of a node: limit it with a quota of the node "
    "(PUT /quotas). Qdrant plans to remove this limit in 1.21.",
)
Positive = Annotated[int, Field(ge=1, le=U64)]
Percent = Annotated[int, Field(ge=1, le=100)]


class MultivectorCap(Spec):
    """A cap on one multivector."""

    max_vectors: Annotated[
        Positive,
        FieldRule(gate=Availability(since="1.13.2"), is_limit=True),
        Field(description="Vectors that one point may have under this name."),
    ]


class SparseCap(Spec):
    """A cap on one sparse vector."""

    max_length: Annotated[
        Positive,
        FieldRule(gate=Availability(since="1.13.2"), is_limit=True),
        Field(description="Values that one sparse vector may have."),
    ]


class StrictMode(Spec):
    """The caps. 0 blocks everything, for caps that allow it."""

    enabled: Annotated[
        bool | None,
        FieldRule(
            drop=Effect.UPDATE,
            drop_because="switched off (Qdrant cannot unset it)",
            unset_value=False,
            gate=Availability(since="1.12.2"),
            is_limit=True,
        ),
        Field(description="Whether any cap is enforced."),
    ] = None
    max_query_limit: Annotated[
        Positive | None, _limit_rule("1.12.2"), Field(description="Largest `limit` of a read.")
    ] = None
    max_timeout: Annotated[
        Positive | None,
        _limit_rule("1.12.2"),
        Field(description="Largest `timeout` of a read, seconds."),
    ] = None
    unindexed_filtering_retrieve: Annotated[
        bool | None,
        _limit_rule("1.12.2", True),
        Field(description="Allow reads to filter unindexed."),
    ] = None
    unindexed_filtering_update: Annotated[
        bool | None,
        _limit_rule("1.12.2", True),
        Field(description="Allow writes to filter unindexed."),
    ] = None
    search_max_hnsw_ef: Annotated[
        Count | None, _limit_rule("1.12.2"), Field(description="Largest `hnsw_ef` of a search.")
    ] = None
    search_allow_exact: Annotated[
        bool | None,
        _limit_rule("1.12.2", True),
        Field(
            description="Allow exact search; a count is exact unless its request states otherwise."
        ),
    ] = None
    search_max_oversampling: Annotated[
        Annotated[float, Field(ge=0, allow_inf_nan=False)] | None,
        _limit_rule("1.12.2", OVERSAMPLING_UNLIMITED),
        Field(description="Largest `oversampling` of a search."),
    ] = None
    search_max_batchsize: Annotated[
        Count | None, _limit_rule("1.17.1"), Field(description="Searches in one batch.")
    ] = None
    upsert_max_batchsize: Annotated[
        Count | None, _limit_rule("1.12.5"), Field(description="Points in one upsert.")
    ] = None
    max_collection_vector_size_bytes: Annotated[
        Count | None,
        _limit_rule("1.12.5"),
        Field(description="Bytes of vectors, checked now and then."),
    ] = None
    max_collection_payload_size_bytes: Annotated[
        Count | None,
        _limit_rule("1.12.6"),
        Field(description="Bytes of payload, checked now and then."),
    ] = None
    max_points_count: Annotated[
        Positive | None, _limit_rule("1.13.4"), Field(description="Points, checked now and then.")
    ] = None
    max_payload_index_count: Annotated[
        Count | None, _limit_rule("1.15.5"), Field(description="Payload indexes.")
    ] = None
    read_rate_limit: Annotated[
        Positive | None,
        _limit_rule("1.12.6"),
        Field(description="Read tokens per minute and replica."),
    ] = None
    write_rate_limit: Annotated[
        Positive | None,
        _limit_rule("1.12.6"),
        Field(description="Write tokens per minute and replica; creating an index costs 3."),
    ] = None
    filter_max_conditions: Annotated[
        Count | None, _limit_rule("1.13.0"), Field(description="Conditions in one filter.")
    ] = None
    condition_max_size: Annotated[
        Count | None, _limit_rule("1.13.0"), Field(description="Values in one condition.")
    ] = None
    multivector_config: Annotated[
        dict[str, Annotated[MultivectorCap, LATER]] | None,
        _keyed_limit_rule("1.13.1"),
        Field(description="Caps by multivector name."),
    ] = None
    sparse_config: Annotated[
        dict[str, Annotated[SparseCap, LATER]] | None,
        _keyed_limit_rule("1.13.2"),
        Field(description="Caps by sparse vector name."),
    ] = None
    max_resident_memory_percent: Annotated[
        Percent | None,
        replace(_limit_rule("1.18.0", 100), deprecated=_NODE_WIDE),
        Field(description="Share of memory in use above which writes are refused."),
    ] = None
    max_disk_usage_percent: Annotated[
        Percent | None,
        _limit_rule("1.18.2", 100, "1.18.3"),
        Field(description="Share of disk in use above which writes are refused."),
    ] = None
