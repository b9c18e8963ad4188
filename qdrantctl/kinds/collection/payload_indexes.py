"""Payload indexes: the eight types with their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from qdrantctl.kinds.collection.index_parameters import (
    INDEX_TYPE,
    ExtraLinks,
    IndexMemory,
    Nested,
    OnDisk,
    Principal,
    Tenant,
    rebuilding_rule,
)
from qdrantctl.kinds.collection.text_index import Text, canonical_text_index
from qdrantctl.model.field_rule import Effect, FieldRule, Json
from qdrantctl.model.spec import Spec

TYPES = ("keyword", "integer", "float", "bool", "geo", "text", "datetime", "uuid")


class Keyword(Spec):
    """Exact strings."""

    type: Annotated[Literal["keyword"], INDEX_TYPE, Field(description="The type of index.")]
    is_tenant: Tenant = None
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None
    prefix: Annotated[
        bool | None,
        rebuilding_rule(False, "1.19.0"),
        Field(description="Also match prefixes. Default false."),
    ] = None


class Integer(Spec):
    """Whole numbers."""

    type: Annotated[Literal["integer"], INDEX_TYPE, Field(description="The type of index.")]
    lookup: Annotated[
        bool | None, rebuilding_rule(True), Field(description="Serve exact matches. Default true.")
    ] = None
    range: Annotated[
        bool | None, rebuilding_rule(True), Field(description="Serve ranges. Default true.")
    ] = None
    is_principal: Principal = None
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None

    @model_validator(mode="after")
    def _some_use(self) -> Self:
        if self.lookup is False and self.range is False:
            raise PydanticCustomError(
                "integer_index",
                "an integer index with neither lookup nor range serves nothing",
                {"rule": "QC111", "hint": "Set lookup or range to true, or drop the index."},
            )
        return self


class Float(Spec):
    """Floating point numbers."""

    type: Annotated[Literal["float"], INDEX_TYPE, Field(description="The type of index.")]
    is_principal: Principal = None
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None


class Bool(Spec):
    """True or false."""

    type: Annotated[Literal["bool"], INDEX_TYPE, Field(description="The type of index.")]
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None


class Geo(Spec):
    """Places on Earth."""

    type: Annotated[Literal["geo"], INDEX_TYPE, Field(description="The type of index.")]
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None


class Datetime(Spec):
    """Moments in time."""

    type: Annotated[Literal["datetime"], INDEX_TYPE, Field(description="The type of index.")]
    is_principal: Principal = None
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None


class Uuid(Spec):
    """UUIDs."""

    type: Annotated[Literal["uuid"], INDEX_TYPE, Field(description="The type of index.")]
    is_tenant: Tenant = None
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None


def _expand_index(value: Any) -> Any:
    """`keyword` is short for `{type: keyword}`; to the server they are the same index."""
    return {"type": value} if isinstance(value, str) else value


class _ByType:
    """Has a stated index validated by its own type alone, so that no other one is completed."""

    models: Mapping[str, type[Spec]] = dict(
        zip(TYPES, (Keyword, Integer, Float, Bool, Geo, Text, Datetime, Uuid), strict=True)
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, _: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.validate_index)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(_any_index().core_schema)

    @classmethod
    def validate_index(cls, value: Any) -> Any:
        """The index as its model. The whole union explains a value without a known type."""
        index_type = value.get("type") if isinstance(value, dict) else None
        if isinstance(index_type, str) and index_type in cls.models:
            return cls.models[index_type].model_validate(value)
        return _any_index().validate_python(value)


class _ShortOrLong:
    """Describes both spellings in the JSON Schema."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(TYPES), "type": "string"}, handler(core)]}


_AnyIndex = Annotated[
    Keyword | Integer | Float | Bool | Geo | Text | Datetime | Uuid, Field(discriminator="type")
]


@cache
def _any_index() -> TypeAdapter[Any]:
    """The union of all types, whose members are completed for it."""
    return TypeAdapter(_AnyIndex, config=ConfigDict(strict=True))


PayloadIndex = Annotated[
    _AnyIndex,
    _ByType,
    BeforeValidator(_expand_index),
    _ShortOrLong,
    FieldRule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.UPDATE,
        because="builds a payload index",
        replaced_as_unit=True,
        shorthand_key="type",
    ),
]

PAYLOAD_INDEXES = FieldRule(
    add=Effect.REBUILD,
    change=Effect.REBUILD,
    drop=Effect.UPDATE,
    because="builds the payload index",
    drop_because="drops the payload index; filters on it become slow",
)


def canonical_payload_index(params: Mapping[str, Json]) -> dict[str, Json]:
    """The canonical tree of an index: no nulls, stop words as sorted sets, languages by name."""
    index = {key: value for key, value in params.items() if value is not None}
    return canonical_text_index(index) if index.get("type") == "text" else index
