"""The full-text payload index: languages, stop words, stemmers and scoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection.common import U64
from qdrantctl.kinds.collection.index_parameters import (
    INDEX_TYPE,
    ExtraLinks,
    IndexMemory,
    Nested,
    OnDisk,
    rebuilding_rule,
)
from qdrantctl.model.field_rule import Availability, Json
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec

STEMMED = {
    "ar": "arabic", "da": "danish", "nl": "dutch", "en": "english", "fi": "finnish",
    "fr": "french", "de": "german", "el": "greek", "hu": "hungarian", "it": "italian",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "es": "spanish",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "hy": "armenian",
}  # fmt: skip
STOPPED = {code: name for code, name in STEMMED.items() if code not in ("ta", "hy")} | {
    "az": "azerbaijani", "eu": "basque", "bn": "bengali", "ca": "catalan", "zh": "chinese",
    "he": "hebrew", "hi-en": "hinglish", "id": "indonesian", "jp": "japanese", "kk": "kazakh",
    "ne": "nepali", "sl": "slovene", "tg": "tajik",
}  # fmt: skip

_Length = Annotated[int, Field(ge=0, le=U64)]


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


_StemmedLanguage = Annotated[str, _language_validator(STEMMED)]
_StoppedLanguage = Annotated[str, _language_validator(STOPPED)]


class Stopwords(Spec):
    """Words that are not indexed."""

    languages: Annotated[
        list[_StoppedLanguage] | None,
        rebuilding_rule(),
        Field(description="Languages whose usual stop words are left out."),
    ] = None
    custom: Annotated[
        list[str] | None, rebuilding_rule(), Field(description="Further words to leave out.")
    ] = None


class Stemmer(Spec):
    """How words are brought to their stem."""

    type: Annotated[
        Literal["snowball", "none"],
        rebuilding_rule(values={"none": Availability(since="1.19.0")}),
        Field(description="snowball, or none."),
    ]
    language: Annotated[
        _StemmedLanguage | None, rebuilding_rule(), Field(description="The language.")
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


class TextScoring(Spec):
    """How a text index ranks points."""

    type: Annotated[Literal["bm25"], rebuilding_rule(), Field(description="bm25, the only one.")]


def _as_scoring(value: Any) -> Any:
    """`true` is short for BM25, which is what the server stores; `false` is the same as absent."""
    if isinstance(value, bool):
        return {"type": "bm25"} if value else None
    return value


class Text(Spec):
    """Full text."""

    type: Annotated[Literal["text"], INDEX_TYPE, Field(description="The type of index.")]
    tokenizer: Annotated[
        Literal["word", "whitespace", "prefix", "multilingual", "code"] | None,
        rebuilding_rule("word", values={"code": Availability(since="1.20.0")}),
        Field(description="How text is cut into words. Default word."),
    ] = None
    lowercase: Annotated[
        bool | None, rebuilding_rule(True), Field(description="Ignore case. Default true.")
    ] = None
    min_token_len: Annotated[
        _Length | None, rebuilding_rule(), Field(description="Shorter words are left out.")
    ] = None
    max_token_len: Annotated[
        _Length | None, rebuilding_rule(), Field(description="Longer words are left out.")
    ] = None
    phrase_matching: Annotated[
        bool | None,
        rebuilding_rule(False, "1.15.0"),
        Field(description="Serve phrases. Default false."),
    ] = None
    ascii_folding: Annotated[
        bool | None, rebuilding_rule(False, "1.16.0"), Field(description="é as e. Default false.")
    ] = None
    stopwords: Annotated[
        Annotated[Stopwords, LATER, BeforeValidator(_as_stopwords)] | None,
        rebuilding_rule(since="1.15.0", whole=True, short="languages"),
        Field(description="A language, or languages and custom words."),
    ] = None
    stemmer: Annotated[
        Annotated[Stemmer, LATER] | None,
        rebuilding_rule(since="1.15.0", whole=True),
        Field(description="Search by word stems."),
    ] = None
    scoring: Annotated[
        Annotated[Annotated[TextScoring, LATER] | None, BeforeValidator(_as_scoring)],
        rebuilding_rule(since="1.20.0", whole=True),
        Field(description="Rank points by BM25: true, or {type: bm25}. Default false."),
    ] = None
    on_disk: OnDisk = None
    enable_hnsw: ExtraLinks = None
    memory: IndexMemory = None
    nested: Nested = None


def canonical_text_index(params: Mapping[str, Json]) -> dict[str, Json]:
    """The canonical tree of a text index without nulls."""
    index = dict(params)
    if stopwords := index.pop("stopwords", None):
        stopwords = {"languages": [stopwords]} if isinstance(stopwords, str) else stopwords
        sets = {
            "languages": sorted({STOPPED.get(x, x) for x in stopwords.get("languages") or ()}),
            "custom": sorted(set(stopwords.get("custom") or ())),
        }
        if nonempty := {key: value for key, value in sets.items() if value}:
            index["stopwords"] = nonempty
    if stemmer := index.get("stemmer"):
        index["stemmer"] = {
            key: STEMMED.get(value, value) for key, value in stemmer.items() if value is not None
        }
    if index == {"type": "text", "tokenizer": "word"}:
        del index["tokenizer"]  # reported for every text index that was created with its type alone
    return index
