"""Payload indexes: the eight types with their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from qdrantctl.kinds.collection.common import MEMORY_GATE, U64, Memory
from qdrantctl.model.field_rule import ABSENT, Availability, Deprecation, Effect, FieldRule, Json
from qdrantctl.model.spec import Spec

TYPES = ("keyword", "integer", "float", "bool", "geo", "text", "datetime", "uuid")

_STEMMED = {
    "ar": "arabic", "da": "danish", "nl": "dutch", "en": "english", "fi": "finnish",
    "fr": "french", "de": "german", "el": "greek", "hu": "hungarian", "it": "italian",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "es": "spanish",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "hy": "armenian",
}  # fmt: skip
_STOPPED = {code: name for code, name in _STEMMED.items() if code not in ("ta", "hy")} | {
    "az": "azerbaijani", "eu": "basque", "bn": "bengali", "ca": "catalan", "zh": "chinese",
    "he": "hebrew", "hi-en": "hinglish", "id": "indonesian", "jp": "japanese", "kk": "kazakh",
    "ne": "nepali", "sl": "slovene", "tg": "tajik",
}  # fmt: skip


def _rebuilding_rule(
    neutral: Json = ABSENT,
    since: str = "",
    values: Mapping[str, Availability] | None = None,
    whole: bool = False,
    short: str | None = None,
) -> FieldRule:
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


_TYPE = _rebuilding_rule(values={"uuid": Availability(since="1.11.0")})
_OnDisk = Annotated[
    bool | None,
    replace(
        _rebuilding_rule(False, "1.11.0"),
        deprecated=Deprecation(
            "1.19.0", "Write memory: cold for true, which builds the index again; leave false out."
        ),
    ),
    Field(description="Keep the index on disk. Default false."),
]
_Hnsw = Annotated[
    bool | None,
    _rebuilding_rule(True, "1.17.0"),
    Field(description="Build the extra graph links that filtering uses. Default true."),
]
_Memory = Annotated[
    Memory | None,
    FieldRule(
        add=Effect.REBUILD,
        change=Effect.REBUILD,
        drop=Effect.REBUILD,
        because=_TYPE.because,
        drop_because=_TYPE.drop_because,
        gate=MEMORY_GATE,
    ),
    Field(description="Where the index lives: cold, cached or pinned."),
]
_Principal = Annotated[
    bool | None,
    _rebuilding_rule(False, "1.11.0"),
    Field(description="Lay storage out by this field, as time series need it. Default false."),
]
_Tenant = Annotated[
    bool | None,
    _rebuilding_rule(False, "1.11.0"),
    Field(description="Lay storage out by tenant. Default false."),
]


_Length = Annotated[int, Field(ge=0, le=U64)]


class Keyword(Spec):
    """Exact strings."""

    type: Annotated[Literal["keyword"], _TYPE, Field(description="The type of index.")]
    is_tenant: _Tenant = None
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None
    prefix: Annotated[
        bool | None,
        _rebuilding_rule(False, "1.19.0"),
        Field(description="Also match prefixes. Default false."),
    ] = None


class Integer(Spec):
    """Whole numbers."""

    type: Annotated[Literal["integer"], _TYPE, Field(description="The type of index.")]
    lookup: Annotated[
        bool | None, _rebuilding_rule(True), Field(description="Serve exact matches. Default true.")
    ] = None
    range: Annotated[
        bool | None, _rebuilding_rule(True), Field(description="Serve ranges. Default true.")
    ] = None
    is_principal: _Principal = None
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None

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

    type: Annotated[Literal["float"], _TYPE, Field(description="The type of index.")]
    is_principal: _Principal = None
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None


class Bool(Spec):
    """True or false."""

    type: Annotated[Literal["bool"], _TYPE, Field(description="The type of index.")]
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None


class Geo(Spec):
    """Places on Earth."""

    type: Annotated[Literal["geo"], _TYPE, Field(description="The type of index.")]
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None


class Datetime(Spec):
    """Moments in time."""

    type: Annotated[Literal["datetime"], _TYPE, Field(description="The type of index.")]
    is_principal: _Principal = None
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None


class Uuid(Spec):
    """UUIDs."""

    type: Annotated[Literal["uuid"], _TYPE, Field(description="The type of index.")]
    is_tenant: _Tenant = None
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None


def _language_validator(codes: Mapping[str, str]) -> AfterValidator:
    """A language by its code or its name; the server answers with the name."""

    def to_language_name(value: str) -> str:
        if (name := codes.get(value, value)) not in codes.values():
            raise PydanticCustomError(
                "language",
                "{value} is not a language that Qdrant knows",
                {
                    "value": repr(value),
                    "rule": "QC112",
                    "hint": "Use one of " + ", ".join(sorted(codes.values())) + ".",
                },
            )
        return name

    return AfterValidator(to_language_name)


_StemmedLanguage = Annotated[str, _language_validator(_STEMMED)]
_StoppedLanguage = Annotated[str, _language_validator(_STOPPED)]


class Stopwords(Spec):
    """Words that are not indexed."""

    languages: Annotated[
        list[_StoppedLanguage] | None,
        _rebuilding_rule(),
        Field(description="Languages whose usual stop words are left out."),
    ] = None
    custom: Annotated[
        list[str] | None, _rebuilding_rule(), Field(description="Further words to leave out.")
    ] = None


class Stemmer(Spec):
    """How words are brought to their stem."""

    type: Annotated[
        Literal["snowball", "none"],
        _rebuilding_rule(values={"none": Availability(since="1.19.0")}),
        Field(description="snowball, or none."),
    ]
    language: Annotated[
        _StemmedLanguage | None, _rebuilding_rule(), Field(description="The language.")
    ] = None

    @model_validator(mode="after")
    def _spoken(self) -> Self:
        if (self.type == "snowball") != (self.language is not None):
            raise PydanticCustomError(
                "stemmer",
                "a snowball stemmer needs a language, no other has one",
                {"rule": "QC112", "hint": "For instance {type: snowball, language: english}."},
            )
        return self


def _as_stopwords(value: Any) -> Any:
    """A single language is short for a list of it."""
    return {"languages": [value]} if isinstance(value, str) else value


class Text(Spec):
    """Full text."""

    type: Annotated[Literal["text"], _TYPE, Field(description="The type of index.")]
    tokenizer: Annotated[
        Literal["word", "whitespace", "prefix", "multilingual"] | None,
        _rebuilding_rule("word"),
        Field(description="How text is cut into words. Default word."),
    ] = None
    lowercase: Annotated[
        bool | None, _rebuilding_rule(True), Field(description="Ignore case. Default true.")
    ] = None
    min_token_len: Annotated[
        _Length | None, _rebuilding_rule(), Field(description="Shorter words are left out.")
    ] = None
    max_token_len: Annotated[
        _Length | None, _rebuilding_rule(), Field(description="Longer words are left out.")
    ] = None
    phrase_matching: Annotated[
        bool | None,
        _rebuilding_rule(False, "1.15.0"),
        Field(description="Serve phrases. Default false."),
    ] = None
    ascii_folding: Annotated[
        bool | None, _rebuilding_rule(False, "1.16.0"), Field(description="é as e. Default false.")
    ] = None
    stopwords: Annotated[
        Annotated[Stopwords, BeforeValidator(_as_stopwords)] | None,
        _rebuilding_rule(since="1.15.0", whole=True, short="languages"),
        Field(description="A language, or languages and custom words."),
    ] = None
    stemmer: Annotated[
        Stemmer | None,
        _rebuilding_rule(since="1.15.0", whole=True),
        Field(description="Search by word stems."),
    ] = None
    on_disk: _OnDisk = None
    enable_hnsw: _Hnsw = None
    memory: _Memory = None


def _expand_index(value: Any) -> Any:
    """`keyword` is short for `{type: keyword}`; to the server they are the same index."""
    return {"type": value} if isinstance(value, str) else value


class _ShortOrLong:
    """Describes both spellings in the JSON Schema."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(TYPES), "type": "string"}, handler(core)]}


PayloadIndex = Annotated[
    Annotated[
        Keyword | Integer | Float | Bool | Geo | Text | Datetime | Uuid,
        Field(discriminator="type"),
    ],
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
    if stopwords := index.pop("stopwords", None):
        stopwords = {"languages": [stopwords]} if isinstance(stopwords, str) else stopwords
        sets = {
            "languages": sorted({_STOPPED.get(x, x) for x in stopwords.get("languages") or ()}),
            "custom": sorted(set(stopwords.get("custom") or ())),
        }
        if nonempty := {key: value for key, value in sets.items() if value}:
            index["stopwords"] = nonempty
    if stemmer := index.get("stemmer"):
        index["stemmer"] = {
            key: _STEMMED.get(value, value) for key, value in stemmer.items() if value is not None
        }
    if index == {"type": "text", "tokenizer": "word"}:
        del index["tokenizer"]  # reported for every text index that was created with its type alone
    return index
