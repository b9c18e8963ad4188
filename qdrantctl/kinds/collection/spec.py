"""The Collection spec: the body of `PUT /collections/{name}`, and related settings.

The `FieldRule` of each field states the effect of adding, changing and dropping it on a server.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection.common import (
    MEMORY_GATE,
    U32,
    U64,
    Count,
    PositiveU32,
)
from qdrantctl.kinds.collection.payload_indexes import PAYLOAD_INDEXES, PayloadIndex
from qdrantctl.kinds.collection.payload_paths import (
    PayloadPath,
    refuse_duplicate_paths,
    refuse_misplaced_arrays,
)
from qdrantctl.kinds.collection.quantization import QUANTIZATION_RULE, Quantization
from qdrantctl.kinds.collection.shard_keys import (
    KEYED,
    BareOrNot,
    expand_shard_keys,
    refuse_duplicate_keys,
)
from qdrantctl.kinds.collection.storage import IdTracker, PayloadStorage, Wal
from qdrantctl.kinds.collection.strict_mode import StrictMode
from qdrantctl.kinds.collection.vectors import (
    UNNAMED,
    Hnsw,
    SparseVector,
    Vectors,
    vector_names_validator,
)
from qdrantctl.model.field_rule import Availability, Deprecation, Effect, FieldRule
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec


class Optimizers(Spec):
    """When and how segments are merged and indexed."""

    deleted_threshold: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        FieldRule(),
        Field(
            description="Share of deleted vectors above which a segment is cleaned. Default 0.2."
        ),
    ] = None
    vacuum_min_vector_number: Annotated[
        Annotated[int, Field(ge=100, le=U64)] | None,
        FieldRule(),
        Field(description="Vectors a segment must hold to be cleaned, at least 100. Default 1000."),
    ] = None
    default_segment_number: Annotated[
        Annotated[int, Field(ge=0, le=1000)] | None,
        FieldRule(),
        Field(description="Segments to aim for, at most 1000; 0 chooses. Default 0."),
    ] = None
    max_segment_size: Annotated[
        Annotated[int, Field(ge=1, le=U64)] | None,
        FieldRule(),
        Field(
            description="Largest segment in kilobytes. By default it follows from the machine.",
            validation_alias=AliasChoices("max_segment_size", "max_segment_size_kb"),
        ),
    ] = None
    memmap_threshold: Annotated[
        Count | None,
        FieldRule(),
        Field(
            description="Kilobytes above which a segment is memory-mapped; deprecated by Qdrant.",
            validation_alias=AliasChoices("memmap_threshold", "memmap_threshold_kb"),
        ),
    ] = None
    indexing_threshold: Annotated[
        Count | None,
        FieldRule(because="segments that it covers now are indexed in the background"),
        Field(
            description="Kilobytes above which a segment is indexed; 0 stops indexing.",
            validation_alias=AliasChoices("indexing_threshold", "indexing_threshold_kb"),
        ),
    ] = None
    flush_interval_sec: Annotated[
        Count | None, FieldRule(), Field(description="Seconds between flushes. Default 5.")
    ] = None
    max_optimization_threads: Annotated[
        Count | Literal["auto"] | None,
        FieldRule(
            unset_value="auto",
            drop=Effect.UPDATE,
            drop_because="goes back to auto",
            values={"auto": Availability(since="1.12.6")},
        ),
        Field(description="Threads per shard that optimize; 0 stops optimization; or auto."),
    ] = None
    prevent_unoptimized: Annotated[
        bool | None,
        FieldRule(gate=Availability(since="1.17.0")),
        Field(description="Slow writes down rather than let unoptimized data grow."),
    ] = None


def _refuse_null(value: dict[str, Any]) -> dict[str, Any]:
    for key, inner in value.items():
        if inner is None:
            raise PydanticCustomError(
                "metadata",
                "the metadata key {key} is null, which Qdrant treats as a request to remove it",
                {"key": repr(key), "path": (key,), "rule": "QC115", "hint": "Leave the key out."},
            )
    return value


Acknowledged = Literal[
    "write_rate_limit",
    "search_max_hnsw_ef",
    "search_max_oversampling",
    "search_max_batchsize",
    "upsert_max_batchsize",
    "max_collection_vector_size_bytes",
    "max_collection_payload_size_bytes",
    "filter_max_conditions",
    "condition_max_size",
    "max_payload_index_count",
]
"""A limit whose value can lock its owner out."""


class Filter(Spec):
    """A payload field that the application filters on."""

    key: Annotated[PayloadPath, Field(description="Path of the payload field.")]
    by: Annotated[
        Literal["match", "range", "text", "geo"] | None,
        Field(description="The kind of condition; left out, an index of any type will do."),
    ] = None


def _expand_filters(value: Any) -> Any:
    """A bare path is short for `{key: …}`."""
    if not isinstance(value, list):
        return value
    return [{"key": entry} if isinstance(entry, str) else entry for entry in value]


_UNSAFE_DROP = (
    "before Qdrant 1.19 points that were written shortly before a vector name is dropped can be "
    "lost at the next start of the server; upgrade the server first"
)


class Collection(Spec):
    """The spec of a Collection manifest."""

    vectors: Annotated[
        Vectors | None,
        FieldRule(
            add=Effect.UPDATE,
            drop=Effect.UPDATE,
            because="vector names are fixed when the collection is created, before Qdrant 1.18",
            drop_because="removes the vectors of that name from every point",
            in_place_since="1.18.0",
            drop_safe_since="1.19.0",
            drop_unsafe_because=_UNSAFE_DROP,
            remade_since="1.19.0",
            remade_because="drops the vector and creates it again: every point loses its value",
            fixed_key=UNNAMED,
            fixed_key_because="the unnamed vector is fixed when the collection is created",
            shorthand_key=UNNAMED,
            destroys_data=True,
        ),
        Field(description="One unnamed vector, or vectors by name."),
    ] = None
    sparse_vectors: Annotated[
        dict[str, Annotated[SparseVector, LATER]] | None,
        FieldRule(
            add=Effect.UPDATE,
            drop=Effect.UPDATE,
            because="vector names are fixed when the collection is created, before Qdrant 1.18",
            drop_because="removes the vectors of that name from every point",
            in_place_since="1.18.0",
            drop_safe_since="1.19.0",
            drop_unsafe_because=_UNSAFE_DROP,
            destroys_data=True,
        ),
        Field(description="Sparse vectors by name."),
    ] = None
    hnsw_config: Annotated[
        Annotated[Hnsw, LATER] | None, Field(description="Graph settings of all vectors.")
    ] = None
    quantization_config: Annotated[
        Annotated[Quantization, LATER] | None,
        QUANTIZATION_RULE,
        Field(
            description="Quantization of all vectors.",
            validation_alias=AliasChoices("quantization_config", "quantization"),
        ),
    ] = None
    optimizers_config: Annotated[
        Annotated[Optimizers, LATER] | None,
        Field(
            description="When and how segments are merged and indexed.",
            validation_alias=AliasChoices("optimizers_config", "optimizer_config"),
        ),
    ] = None
    wal_config: Annotated[
        Annotated[Wal, LATER] | None, Field(description="The write-ahead log.")
    ] = None
    shard_number: Annotated[
        PositiveU32 | None,
        FieldRule(
            add=Effect.REPLACE,
            change=Effect.REPLACE,
            because="fixed when the collection is created; resharding is for Qdrant Cloud alone",
        ),
        Field(
            description="Shards, or shards per key with custom sharding. Left out, the server "
            "chooses: before Qdrant 1.20 one per node, and one per key."
        ),
    ] = None
    sharding_method: Annotated[
        Literal["auto", "custom"] | None,
        FieldRule(
            add=Effect.REPLACE,
            change=Effect.REPLACE,
            because="fixed when the collection is created",
            unset_value="auto",
            values={"custom": Availability(since="1.7.0", cluster=True)},
        ),
        Field(description="custom places points by shard keys; cluster mode only. Default auto."),
    ] = None
    replication_factor: Annotated[
        PositiveU32 | None,
        FieldRule(
            patch_section="params",
            because="moves no existing replica: it applies to shards created later",
        ),
        Field(description="Replicas of each shard. Default 1."),
    ] = None
    write_consistency_factor: Annotated[
        PositiveU32 | None,
        FieldRule(patch_section="params"),
        Field(description="Replicas that must confirm a write. Default 1."),
    ] = None
    read_fan_out_factor: Annotated[
        Annotated[int, Field(ge=0, le=U32)] | None,
        FieldRule(patch_section="params", create=False),
        Field(description="Further replicas that each read is sent to. Absent: automatic."),
    ] = None
    read_fan_out_delay_ms: Annotated[
        Count | None,
        FieldRule(patch_section="params", create=False, gate=Availability(since="1.17.0")),
        Field(description="Milliseconds before a read is sent to further replicas."),
    ] = None
    on_disk_payload: Annotated[
        bool | None,
        FieldRule(
            patch_section="params",
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            because="rewrites the collection's segments",
            deprecated=Deprecation(
                "1.19.0",
                "Write payload: {memory: cold} for true, payload: {memory: cached} for false.",
            ),
        ),
        Field(description="Keep payload on disk. Default true."),
    ] = None
    payload: Annotated[
        Annotated[PayloadStorage, LATER] | None,
        FieldRule(patch_section="params", gate=MEMORY_GATE),
        Field(description="Where payload lives."),
    ] = None
    id_tracker: Annotated[
        Annotated[IdTracker, LATER] | None,
        FieldRule(patch_section="params", gate=Availability(since="1.20.0")),
        Field(description="Where the ids of points live, in indexed segments."),
    ] = None
    strict_mode_config: Annotated[
        Annotated[StrictMode, LATER] | None,
        FieldRule(gate=Availability(since="1.12.2")),
        Field(description="Limits on the requests of clients to the collection."),
    ] = None
    metadata: Annotated[
        Annotated[dict[str, Any], AfterValidator(_refuse_null)] | None,
        FieldRule(
            drop=Effect.UPDATE, drop_because="removes the key", gate=Availability(since="1.15.4")
        ),
        Field(description="Qdrant's own metadata of the collection, key by key."),
    ] = None
    payload_indexes: Annotated[
        Annotated[
            dict[PayloadPath, PayloadIndex],
            BeforeValidator(refuse_duplicate_paths),
            AfterValidator(refuse_misplaced_arrays),
        ]
        | None,
        PAYLOAD_INDEXES,
        Field(description="Payload indexes by field path; a bare type is short for {type: …}."),
    ] = None
    shard_keys: Annotated[
        Annotated[
            list[BareOrNot],
            BeforeValidator(expand_shard_keys),
            AfterValidator(refuse_duplicate_keys),
        ]
        | None,
        FieldRule(
            key="key",
            drop=Effect.UPDATE,
            drop_because="drops the shard key and the points in it",
            gate=KEYED,
            destroys_data=True,
        ),
        Field(description="Shard keys, with sharding_method custom."),
    ] = None
    filters: Annotated[
        Annotated[list[Annotated[Filter, LATER]], BeforeValidator(_expand_filters)] | None,
        FieldRule(client_side=True),
        Field(
            description="Payload fields that the application filters on. They must have an index "
            "before strict mode refuses filters without one. A bare path is short for {key: …}."
        ),
    ] = None
    acknowledge: Annotated[
        list[Acknowledged] | None,
        FieldRule(client_side=True),
        Field(description="Caps that may lock clients out, stated as intended."),
    ] = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        vector_names_validator(
            "QC116", vectors=self.vectors or {}, sparse_vectors=self.sparse_vectors or {}
        )
        if self.shard_keys and self.sharding_method != "custom":
            raise PydanticCustomError(
                "shard_keys",
                "shard keys need sharding_method: custom",
                {"path": ("shard_keys",), "rule": "QC117", "hint": "Add sharding_method: custom."},
            )
        return self
