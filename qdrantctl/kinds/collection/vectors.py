"""Vectors, their graph and their quantization: what they may say, and what each field does.

Source: qdrant-facts, experiments on 1.16.3; versions from the API descriptions of every tag.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from qdrantctl.model.rule import Effect, Gate, Rule
from qdrantctl.model.spec import Spec

U32 = 2**32 - 1
U64 = 2**64 - 1
MAX_VECTOR_SIZE = 65536
MAX_VECTOR_NAME = 200
"""Bytes. Longer names end in a half-made collection (1.16) or are refused (1.18)."""

FIXED = Rule(
    add=Effect.REPLACE,
    change=Effect.REPLACE,
    because="fixed when the collection is created",
)
REINDEX = Rule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    because="re-indexes the collection",
)
QUANTIZE = Rule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.REBUILD,
    because="quantizes and re-indexes the collection again",
    drop_because="quantizes and re-indexes the collection again",
)

Memory = Literal["cold", "cached", "pinned"]
MEMORY_GATE = Gate(since="1.19.0")
Count = Annotated[int, Field(ge=0, le=U64)]


class Hnsw(Spec):
    """The HNSW graph."""

    m: Annotated[
        Count | None,
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
        Count | None, Rule(), Field(description="Threads that build the graph; 0 chooses.")
    ] = None
    on_disk: Annotated[
        bool | None, REINDEX, Field(description="Keep the graph on disk. Default false.")
    ] = None
    payload_m: Annotated[
        Count | None,
        REINDEX,
        Field(description="Edges per node in the graphs of each tenant; absent means as m."),
    ] = None
    inline_storage: Annotated[
        bool | None,
        Rule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            because="re-indexes the collection",
            gate=Gate(since="1.16.0"),
        ),
        Field(description="Store quantized vectors in the graph; needs quantization."),
    ] = None
    memory: Annotated[
        Memory | None,
        Rule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            because="re-indexes the collection",
            gate=MEMORY_GATE,
        ),
        Field(description="Where the graph lives: cold, cached or pinned."),
    ] = None


_QUANTIZED_MEMORY = Rule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.REBUILD,
    because=QUANTIZE.because,
    drop_because=QUANTIZE.drop_because,
    gate=MEMORY_GATE,
)


def _quantize(neutral: Any, since: str = "") -> Rule:
    return Rule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.REBUILD,
        because=QUANTIZE.because,
        drop_because=QUANTIZE.drop_because,
        neutral=neutral,
        gate=Gate(since=since),
    )


class Scalar(Spec):
    """Scalar quantization."""

    type: Annotated[Literal["int8"], QUANTIZE, Field(description="int8, the only one.")]
    quantile: Annotated[
        Annotated[float, Field(ge=0.5, le=1)] | None,
        Rule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            drop=Effect.REBUILD,
            because=QUANTIZE.because,
            drop_because=QUANTIZE.drop_because,
            single=True,
        ),
        Field(description="Share of values kept inside the range, 0.5 to 1; a 32-bit float."),
    ] = None
    always_ram: Annotated[
        bool | None, _quantize(False), Field(description="Keep quantized vectors in memory.")
    ] = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


class Product(Spec):
    """Product quantization."""

    compression: Annotated[
        Literal["x4", "x8", "x16", "x32", "x64"], QUANTIZE, Field(description="The ratio.")
    ]
    always_ram: Annotated[
        bool | None, _quantize(False), Field(description="Keep quantized vectors in memory.")
    ] = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


class Binary(Spec):
    """Binary quantization."""

    always_ram: Annotated[
        bool | None, _quantize(False), Field(description="Keep quantized vectors in memory.")
    ] = None
    encoding: Annotated[
        Literal["one_bit", "two_bits", "one_and_half_bits"] | None,
        _quantize("one_bit", "1.15.0"),
        Field(description="Bits per value. Default one_bit."),
    ] = None
    query_encoding: Annotated[
        Literal["default", "binary", "scalar4bits", "scalar8bits"] | None,
        _quantize("default", "1.15.0"),
        Field(description="How queries are encoded. Default default."),
    ] = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


class Turbo(Spec):
    """Turbo quantization."""

    bits: Annotated[
        Literal["bits1", "bits1_5", "bits2", "bits4"] | None,
        QUANTIZE,
        Field(description="Bits per value."),
    ] = None
    always_ram: Annotated[
        bool | None, _quantize(False), Field(description="Keep quantized vectors in memory.")
    ] = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


def _kind_of_quantization(since: str = "") -> Rule:
    return Rule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.REBUILD,
        because=QUANTIZE.because,
        drop_because=QUANTIZE.drop_because,
        whole=True,
        gate=Gate(since=since),
    )


class Quantization(Spec):
    """One kind of quantization. The server keeps one of two and says ok to both."""

    scalar: Annotated[
        Scalar | None, _kind_of_quantization(), Field(description="Scalar quantization.")
    ] = None
    product: Annotated[
        Product | None, _kind_of_quantization(), Field(description="Product quantization.")
    ] = None
    binary: Annotated[
        Binary | None, _kind_of_quantization(), Field(description="Binary quantization.")
    ] = None
    turbo: Annotated[
        Turbo | None, _kind_of_quantization("1.18.0"), Field(description="Turbo quantization.")
    ] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        stated = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(stated) != 1:
            raise PydanticCustomError(
                "quantization",
                "exactly one kind of quantization is needed, found {found}",
                {
                    "found": " and ".join(stated) or "none",
                    "rule": "QC110",
                    "hint": "Keep one of scalar, product, binary and turbo; "
                    "leave quantization_config out for none.",
                },
            )
        return self


QUANTIZATION_RULE = Rule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.REBUILD,
    because=QUANTIZE.because,
    drop_because="removes quantization and re-indexes the collection",
    neutral="Disabled",
    whole=True,
)


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
        Hnsw | None, Field(description="Graph settings of this vector; others as the collection.")
    ] = None
    quantization_config: Annotated[
        Quantization | None,
        QUANTIZATION_RULE,
        Field(description="Quantization of this vector; absent means as the collection."),
    ] = None
    on_disk: Annotated[
        bool | None,
        Rule(
            add=Effect.REBUILD, change=Effect.REBUILD, because="rewrites the collection's segments"
        ),
        Field(description="Keep the original vectors on disk."),
    ] = None
    datatype: Annotated[
        Literal["float32", "float16", "uint8", "turbo4"] | None,
        Rule(
            add=Effect.REPLACE,
            change=Effect.REPLACE,
            because="fixed when the collection is created",
            neutral="float32",
            values={"turbo4": Gate(since="1.18.2")},
        ),
        Field(description="How values are stored. Default float32."),
    ] = None
    multivector_config: Annotated[
        Multivector | None,
        Rule(
            add=Effect.REPLACE,
            change=Effect.REPLACE,
            because="fixed when the collection is created",
            whole=True,
        ),
        Field(description="Makes it a multivector, as ColBERT needs."),
    ] = None
    memory: Annotated[
        Memory | None,
        Rule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            because="rewrites the collection's segments",
            gate=MEMORY_GATE,
        ),
        Field(description="Where the original vectors live."),
    ] = None


_OLD_SEGMENTS = "segments that exist keep the old value until something else rebuilds them"


class SparseIndex(Spec):
    """The index of a sparse vector."""

    on_disk: Annotated[
        bool | None, REINDEX, Field(description="Keep the index on disk. Default false.")
    ] = None
    full_scan_threshold: Annotated[
        Count | None,
        Rule(because=_OLD_SEGMENTS),
        Field(description="Vectors below which a full scan is used."),
    ] = None
    datatype: Annotated[
        Literal["float32", "float16", "uint8", "turbo4"] | None,
        Rule(
            because=_OLD_SEGMENTS,
            neutral="float32",
            drop=Effect.UPDATE,
            drop_because="goes back to float32; " + _OLD_SEGMENTS,
            values={"turbo4": Gate(since="1.18.2")},
        ),
        Field(description="How values are stored. Default float32."),
    ] = None
    memory: Annotated[
        Memory | None,
        Rule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            because="re-indexes the collection",
            gate=MEMORY_GATE,
        ),
        Field(description="Where the index lives."),
    ] = None


class SparseVector(Spec):
    """A sparse vector."""

    index: Annotated[SparseIndex | None, Field(description="Its index.")] = None
    modifier: Annotated[
        Literal["none", "idf"] | None,
        Rule(
            neutral="none",
            drop=Effect.UPDATE,
            because="takes effect on the next query",
            drop_because="goes back to none",
        ),
        Field(description="idf lets the server weigh terms, as BM25 needs. Default none."),
    ] = None


def _named(value: Any) -> Any:
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


Vectors = Annotated[dict[str, Vector], BeforeValidator(_named), _OneOrNamed]
"""Vectors by name; one unnamed vector may be written without a name."""


def vector_names(rule: str, *maps: dict[str, Any]) -> None:
    """Refuse names that Qdrant chokes on, and names used twice. Raises PydanticCustomError."""
    seen: set[str] = set()
    for names in maps:
        for name in names:
            if name in seen:
                raise PydanticCustomError(
                    "vector_name",
                    "{name!r} is a dense and a sparse vector at once",
                    {"name": name, "rule": rule, "hint": "Give one of them another name."},
                )
            if (size := len(name.encode(errors="replace"))) > MAX_VECTOR_NAME:
                raise PydanticCustomError(
                    "vector_name",
                    "the vector name {name} is {size} bytes long, Qdrant takes at most 200",
                    {"name": name[:20] + "…", "size": size, "rule": rule, "hint": "Shorten it."},
                )
            seen.add(name)
