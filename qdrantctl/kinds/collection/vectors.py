"""Vectors, their graph and their quantization: allowed values, and the effect of each field.

Source: qdrant-facts, experiments on 1.16.3; versions from the API descriptions of every tag.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from qdrantctl.kinds.collection.common import (
    FIXED,
    MEMORY_GATE,
    ON_DISK_FILE,
    ON_DISK_HEAP,
    REINDEX,
    REWRITE,
    U64,
    Count,
    Memory,
    Placement,
)
from qdrantctl.kinds.collection.quantization import QUANTIZATION_RULE, Quantization
from qdrantctl.model.field_rule import Availability, Effect, FieldRule
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec

MAX_VECTOR_SIZE = 65536
Edges = Annotated[int, Field(ge=0, le=65535)]
"""Bounded here: the server checks no upper bound."""
MAX_VECTOR_NAME = 200
"""Bytes, as from Qdrant 1.18 on; the bound holds on older servers, too."""


class Hnsw(Spec):
    """The HNSW graph."""

    m: Annotated[
        Edges | None,
        REINDEX,
        Field(description="Edges per node; 0 builds no graph. Qdrant's default is 16."),
    ] = None
    ef_construct: Annotated[
        Annotated[int, Field(ge=4, le=U64)] | None,
        REINDEX,
        Field(description="Neighbours considered while building, at least 4. Default 100."),
    ] = None
    full_scan_threshold: Annotated[
        Annotated[int, Field(ge=10, le=U64)] | None,
        REINDEX,
        Field(description="Kilobytes of vectors below which a full scan is used. Default 10000."),
    ] = None
    max_indexing_threads: Annotated[
        Count | None, FieldRule(), Field(description="Threads that build the graph; 0 chooses.")
    ] = None
    on_disk: Annotated[
        bool | None,
        replace(REINDEX, deprecated=ON_DISK_FILE),
        Field(description="Keep the graph on disk. Default false."),
    ] = None
    payload_m: Annotated[
        Edges | None,
        REINDEX,
        Field(description="Edges per node in the graphs of each tenant; absent means as m."),
    ] = None
    inline_storage: Annotated[
        bool | None,
        replace(REINDEX, gate=Availability(since="1.16.0")),
        Field(description="Store quantized vectors in the graph; needs quantization."),
    ] = None
    memory: Annotated[
        Memory | None,
        replace(REINDEX, gate=MEMORY_GATE),
        Field(description="Where the graph lives: cold, cached or pinned."),
    ] = None


class Multivector(Spec):
    """Several vectors under one name."""

    comparator: Annotated[
        Literal["max_sim"], FIXED, Field(description="How two sets of vectors are compared.")
    ]


class Vector(Spec):
    """A dense vector."""

    size: Annotated[
        int, FIXED, Field(ge=1, le=MAX_VECTOR_SIZE, description="Dimensions, 1 to 65536.")
    ]
    distance: Annotated[
        Literal["Cosine", "Euclid", "Dot", "Manhattan"], FIXED, Field(description="The metric.")
    ]
    hnsw_config: Annotated[
        Annotated[Hnsw, LATER] | None,
        Field(description="Graph settings of this vector; others as the collection."),
    ] = None
    quantization_config: Annotated[
        Annotated[Quantization, LATER] | None,
        QUANTIZATION_RULE,
        Field(description="Quantization of this vector; absent means as the collection."),
    ] = None
    on_disk: Annotated[
        bool | None,
        replace(REWRITE, deprecated=ON_DISK_FILE),
        Field(description="Keep the original vectors on disk."),
    ] = None
    datatype: Annotated[
        Literal["float32", "float16", "uint8", "turbo4", "turbo8", "turbo16"] | None,
        FieldRule(
            add=Effect.REPLACE,
            change=Effect.REPLACE,
            because="fixed when the collection is created",
            unset_value="float32",
            values={
                "turbo4": Availability(since="1.18.2"),
                "turbo8": Availability(since="1.20.0"),
                "turbo16": Availability(since="1.20.0"),
            },
        ),
        Field(description="How values are stored. Default float32."),
    ] = None
    multivector_config: Annotated[
        Annotated[Multivector, LATER] | None,
        FieldRule(
            add=Effect.REPLACE,
            change=Effect.REPLACE,
            because="fixed when the collection is created",
            replaced_as_unit=True,
        ),
        Field(description="Makes it a multivector, as ColBERT needs."),
    ] = None
    memory: Annotated[
        Placement | None,
        replace(REWRITE, gate=MEMORY_GATE),
        Field(description="Where the original vectors live: cold or cached."),
    ] = None


_OLD_SEGMENTS = "segments that exist keep the old value until something else rebuilds them"


class SparseIndex(Spec):
    """The index of a sparse vector."""

    on_disk: Annotated[
        bool | None,
        replace(REINDEX, deprecated=ON_DISK_HEAP),
        Field(description="Keep the index on disk. Default false."),
    ] = None
    full_scan_threshold: Annotated[
        Count | None,
        FieldRule(because=_OLD_SEGMENTS),
        Field(description="Vectors below which a full scan is used."),
    ] = None
    datatype: Annotated[
        Literal["float32", "float16", "uint8"] | None,
        FieldRule(
            because=_OLD_SEGMENTS,
            unset_value="float32",
            drop=Effect.UPDATE,
            drop_because="goes back to float32; " + _OLD_SEGMENTS,
        ),
        Field(description="How values are stored. Default float32."),
    ] = None
    memory: Annotated[
        Memory | None,
        replace(REINDEX, gate=MEMORY_GATE),
        Field(description="Where the index lives."),
    ] = None


class SparseVector(Spec):
    """A sparse vector."""

    index: Annotated[Annotated[SparseIndex, LATER] | None, Field(description="Its index.")] = None
    modifier: Annotated[
        Literal["none", "idf"] | None,
        FieldRule(
            unset_value="none",
            drop=Effect.UPDATE,
            because="takes effect on the next query",
            drop_because="goes back to none",
        ),
        Field(description="idf lets the server weigh terms, as BM25 needs. Default none."),
    ] = None


def name_vectors(value: Any) -> Any:
    """The unnamed vector is the vector named `""`."""
    if isinstance(value, dict) and any(
        key in value and not isinstance(value[key], dict) for key in ("size", "distance")
    ):
        return {"": value}
    return value


class _OneOrNamed:
    """Describes both spellings in the JSON Schema."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        named = handler(core)
        return {"anyOf": [named["additionalProperties"], named]}


UNNAMED = ""
"""The name of the unnamed vector on the server."""

Vectors = Annotated[dict[str, Vector], BeforeValidator(name_vectors), _OneOrNamed]
"""Vectors by name; one unnamed vector may be written without a name."""


def vector_names_validator(rule: str, **maps: dict[str, Any]) -> None:
    """Refuse names that Qdrant cannot handle, and duplicates. Raises PydanticCustomError."""
    known_names: set[str] = set()
    for field, names in maps.items():
        for name in names:
            context = {"rule": rule, "path": (field, name)}
            if name in known_names:
                raise PydanticCustomError(
                    "vector_name",
                    "{name} is a dense and a sparse vector at once",
                    context | {"name": repr(name), "hint": "Give one of them another name."},
                )
            if (size := len(name.encode(errors="replace"))) > MAX_VECTOR_NAME:
                raise PydanticCustomError(
                    "vector_name",
                    "the vector name {name} is {size} bytes long, Qdrant accepts at most 200",
                    context | {"name": name[:20] + "…", "size": size, "hint": "Shorten it."},
                )
            known_names.add(name)
