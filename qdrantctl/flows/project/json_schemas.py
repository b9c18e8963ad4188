"""The flow of `schema`: JSON Schemas (2020-12) of what is read and written, from the models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, reduce
from operator import or_
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import MISSING, core_schema

from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.kinds.catalog import KINDS, OVERLAYS
from qdrantctl.kinds.collection.payload_indexes import Stopwords
from qdrantctl.kinds.collection.spec import Filter, ShardKey
from qdrantctl.model.audit.report import AuditReport, RenderedRule, Tally
from qdrantctl.model.committed_state import CommittedFile
from qdrantctl.model.drift import Drift, DriftCounts
from qdrantctl.model.errors import SettingsError, UsageError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.kind import Kind, Overlay
from qdrantctl.model.manifest import Envelope
from qdrantctl.model.plan import Plan, PlanSummary
from qdrantctl.model.project import Project
from qdrantctl.model.report import Report
from qdrantctl.model.spec import Spec, field_spellings

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MANIFESTS: tuple[Kind | Overlay, ...] = (*KINDS, *OVERLAYS)
_SHORT_FORMS: dict[type[Spec], dict[str, Json]] = {
    ShardKey: {"type": ["string", "integer"], "minimum": 0},
    Stopwords: {"type": "string"},
    Filter: {"type": "string"},
}
"""What may stand for a whole section, where a validator of the kind makes the section of it."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, for editors: every accepted spelling, and nothing that is noise."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Titles that only repeat a field's name help nobody."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """Defaults that say `nothing` are left out."""
        result = super().default_schema(schema)
        if result.get("default", MISSING) in (None, "", [], {}):
            del result["default"]
        return result

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> dict[str, Any]:
        """Without `discriminator`, a word of OpenAPI that strict readers refuse."""
        result = super().tagged_union_schema(schema)
        result.pop("discriminator", None)
        return result

    def field_is_required(self, field: Any, total: bool) -> bool:
        """What is written always holds every field but those that may be missing."""
        if "serialization_exclude_if" in field:
            return False
        inner = field["schema"]
        if self.mode == "serialization" and inner["type"] == "default":
            return inner.get("default") is not MISSING
        return super().field_is_required(field, total)

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """What a person may write: every spelling of a field, one at a time, and null for none."""
        result, spec = super().model_schema(schema), schema["cls"]
        if not issubclass(spec, Spec):
            return result
        properties = result["properties"]
        for word in properties.keys() - set(result.get("required", ())):
            properties[word] = _allow_null(properties[word])
        for name, field in spec.model_fields.items():
            first, *others = field_spellings(name, field)
            for other in others:
                about = f"Another name of {first}. {field.description}"
                properties[other] = properties[first] | {"description": about}
                result.setdefault("allOf", []).append({"not": {"required": [first, other]}})
        return {"anyOf": [_SHORT_FORMS[spec], result]} if spec in _SHORT_FORMS else result


def _allow_null(made: dict[str, Any]) -> dict[str, Any]:
    """A stated null is the same as absent, wherever something may be absent."""
    null = {"type": "null"}
    if null in made.get("anyOf", ()):
        return made
    beside = {key: value for key, value in made.items() if key in ("description", "default")}
    inner = {key: value for key, value in made.items() if key not in beside}
    return {"anyOf": [inner, null], **beside}


class _DriftEnding(BaseModel):
    """What `Drift.document()` adds to the fields of a drift report."""

    summary: DriftCounts = Field(description="How many resources there are in each block.")
    drift: bool = Field(description="Whether there is drift, as exit code 2 says.")


class _AuditEnding(BaseModel):
    """What `AuditReport.document()` adds to the fields of an audit."""

    rules: dict[str, RenderedRule] = Field(description="Every rule by its id.")
    summary: Tally = Field(description="How often each answer was given.")
    findings: bool = Field(description="Whether findings reach fail_on, as exit code 2 says.")


class _PlanEnding(BaseModel):
    """What `Plan.document()` adds to the fields of a plan."""

    summary: PlanSummary = Field(description="How many changes there are of each action.")
    applicable: bool = Field(description="Whether apply may carry it out.")
    digest: str = Field(description="sha256 of the canonical JSON of all the rest.")


def schema_names() -> tuple[str, ...]:
    """What there is a schema of: files of `--out` first, then single kinds."""
    return (*_FILES, *(kind.manifest for kind in _MANIFESTS))


def build_schema(name: str) -> dict[str, Json]:
    """The schema called `name`, in any case. Raises UsageError."""
    for kind in _MANIFESTS:
        if name.lower() in (kind.manifest.lower(), kind.name):
            return _model_schema(_envelope_schema(kind), "validation")
    if name.lower() not in _FILES:
        raise UsageError(
            f"there is no schema of {name!r}", hint=f"One of {', '.join(schema_names())}."
        )
    return _FILES[name.lower()]()


def schema_text(made: dict[str, Json]) -> str:
    """A schema as it stands in its file: the same models give the same bytes."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path, name: str | None) -> Iterator[Path]:
    """Write one schema, or all that have a file of their own; gives each path when it is written.

    Raises SettingsError when the folder cannot be written.
    """
    for each in (name,) if name else tuple(_FILES):
        path, made = folder / f"{each.lower()}.json", schema_text(build_schema(each))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, made.encode())
        except OSError as error:
            raise SettingsError(f"{path} cannot be written", why=error.strerror or "") from None
        yield path


def _manifest_schema() -> dict[str, Json]:
    """Any manifest: one branch for each kind, told apart by `kind`, and lists of them."""
    kinds = tuple(_envelope_schema(kind) for kind in _MANIFESTS)
    fields: dict[str, Any] = {
        "api_version": (str, Field(alias="apiVersion", description="v1, or qdrantctl/v1.")),
        "kind": (Literal["List"], Field(description="Always List.")),
        "metadata": (dict[str, Any], Field(default_factory=dict, description="Not used.")),
        "items": (list[reduce(or_, kinds)], Field(description="The manifests.")),  # type: ignore[misc]
    }
    listed = create_model("List", __base__=Spec, __doc__="Manifests in one document.", **fields)
    made = _model_schema(reduce(or_, (*kinds, listed)), "validation")
    return made | {"title": "Manifest", "description": "A manifest of qdrantctl."}


def _plan_schema() -> dict[str, Json]:
    result = _schema_with_ending(Plan, _PlanEnding)
    result["required"].remove("prepare")  # left out when there is nothing to prepare
    return result


def _drift_schema() -> dict[str, Json]:
    return _schema_with_ending(Drift, _DriftEnding)


def _schema_with_ending(model: type[BaseModel], ending: type[BaseModel]) -> dict[str, Json]:
    """The schema of a model whose document says more at its end than the model holds."""
    result, more = _model_schema(model, "serialization"), _model_schema(ending, "serialization")
    result["properties"] |= more["properties"]
    result["required"] += more["required"]
    result["$defs"] |= more["$defs"]
    return result


@cache
def _envelope_schema(kind: Kind | Overlay) -> type[Spec]:
    """The whole manifest of a kind."""
    word, about = kind.manifest, (kind.spec.__doc__ or "").partition("\n")[0]
    fields: dict[str, Any] = {
        "kind": (Literal[word], Field(description=f"Always {word}.")),
        "spec": (kind.spec, Field(description=about)),
    }
    about = f"A manifest of kind {word}."
    return create_model(f"{word}Manifest", __base__=Envelope, __doc__=about, **fields)


def _model_schema(model: Any, mode: JsonSchemaMode) -> dict[str, Json]:
    made = TypeAdapter(model).json_schema(schema_generator=_Generator, mode=mode)
    return {"$schema": DIALECT, **made}


_FILES: dict[str, Callable[[], dict[str, Json]]] = {
    "manifest": _manifest_schema,
    "project": lambda: _model_schema(Project, "validation"),
    "plan": _plan_schema,
    "report": lambda: _model_schema(Report, "serialization"),
    "drift": _drift_schema,
    "audit": lambda: _schema_with_ending(AuditReport, _AuditEnding),
    "state": lambda: _model_schema(CommittedFile, "validation"),
}
