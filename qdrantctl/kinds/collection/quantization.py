"""The four kinds of quantization. The server replaces the section as a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection.common import MEMORY_GATE, Memory
from qdrantctl.model.field_rule import (
    ABSENT,
    Availability,
    Deprecation,
    Effect,
    FieldRule,
    Json,
)
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec

QUANTIZE = FieldRule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.REBUILD,
    because="quantizes and re-indexes the collection again",
    drop_because="quantizes and re-indexes the collection again",
)

_QUANTIZED_MEMORY = FieldRule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.REBUILD,
    because=QUANTIZE.because,
    drop_because=QUANTIZE.drop_because,
    gate=MEMORY_GATE,
)


_ALWAYS_RAM = Deprecation(
    "1.19.0", "Write memory: pinned for true, which quantizes again; leave false out."
)


def _quantizing_rule(
    neutral: Json, since: str = "", values: Mapping[str, Availability] | None = None
) -> FieldRule:
    return FieldRule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.REBUILD,
        because=QUANTIZE.because,
        drop_because=QUANTIZE.drop_because,
        unset_value=neutral,
        gate=Availability(since=since),
        values=values or {},
    )


AlwaysRam = Annotated[
    bool | None,
    replace(_quantizing_rule(False), deprecated=_ALWAYS_RAM),
    Field(description="Keep quantized vectors in memory."),
]


class Scalar(Spec):
    """Scalar quantization."""

    type: Annotated[Literal["int8"], QUANTIZE, Field(description="int8, the only one.")]
    quantile: Annotated[
        Annotated[float, Field(ge=0.5, le=1)] | None,
        FieldRule(
            add=Effect.REBUILD,
            change=Effect.REBUILD,
            drop=Effect.REBUILD,
            because=QUANTIZE.because,
            drop_because=QUANTIZE.drop_because,
            float32=True,
        ),
        Field(description="Share of values kept inside the range, 0.5 to 1; a 32-bit float."),
    ] = None
    always_ram: AlwaysRam = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


class Product(Spec):
    """Product quantization."""

    compression: Annotated[
        Literal["x4", "x8", "x16", "x32", "x64"], QUANTIZE, Field(description="The ratio.")
    ]
    always_ram: AlwaysRam = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


class Binary(Spec):
    """Binary quantization."""

    always_ram: AlwaysRam = None
    encoding: Annotated[
        Literal["one_bit", "two_bits", "one_and_half_bits"] | None,
        _quantizing_rule("one_bit", "1.15.0"),
        Field(description="Bits per value. Default one_bit."),
    ] = None
    query_encoding: Annotated[
        Literal["default", "binary", "scalar4bits", "scalar8bits"] | None,
        _quantizing_rule("default", "1.15.0"),
        Field(description="How queries are encoded. Default default."),
    ] = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


class Turbo(Spec):
    """Turbo quantization."""

    bits: Annotated[
        Literal["bits1", "bits1_5", "bits2", "bits4", "bits8"] | None,
        _quantizing_rule(ABSENT, values={"bits8": Availability(since="1.20.0")}),
        Field(description="Bits per value."),
    ] = None
    always_ram: AlwaysRam = None
    memory: Annotated[
        Memory | None, _QUANTIZED_MEMORY, Field(description="Where quantized vectors live.")
    ] = None


def _quantization_kind_rule(since: str = "") -> FieldRule:
    return FieldRule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.REBUILD,
        because=QUANTIZE.because,
        drop_because=QUANTIZE.drop_because,
        replaced_as_unit=True,
        gate=Availability(since=since),
    )


class Quantization(Spec):
    """One kind of quantization. If two are given, the server returns ok and keeps one."""

    scalar: Annotated[
        Annotated[Scalar, LATER] | None,
        _quantization_kind_rule(),
        Field(description="Scalar quantization."),
    ] = None
    product: Annotated[
        Annotated[Product, LATER] | None,
        _quantization_kind_rule(),
        Field(description="Product quantization."),
    ] = None
    binary: Annotated[
        Annotated[Binary, LATER] | None,
        _quantization_kind_rule(),
        Field(description="Binary quantization."),
    ] = None
    turbo: Annotated[
        Annotated[Turbo, LATER] | None,
        _quantization_kind_rule("1.18.0"),
        Field(description="Turbo quantization."),
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


QUANTIZATION_RULE = FieldRule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.REBUILD,
    because=QUANTIZE.because,
    drop_because="removes quantization and re-indexes the collection",
    unset_value="Disabled",
    replaced_as_unit=True,
)
