"""The flow of `schema`: JSON Schemas (2020-12) of the files qdrantctl reads and writes."""

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
from qdrantctl.kinds.collection.shard_keys import ShardKey
from qdrantctl.kinds.collection.spec import Filter
from qdrantctl.kinds.collection.text_index import Stopwords, TextScoring
from qdrantctl.model.audit.report import AuditReport, RenderedRule, Tally
from qdrantctl.model.committed_state import CommittedFile
from qdrantctl.model.drift import Drift, DriftCounts
from qdrantctl.model.errors import SettingsError, UsageError
from qdrantctl.model.event import Event
from qdrantctl.model.field_rule import Json
from qdrantctl.model.kind import Kind, Overlay
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.manifest import Envelope
from qdrantctl.model.plan import Plan, PlanSummary
from qdrantctl.model.project import Project
from qdrantctl.model.report import Report
from qdrantctl.model.spec import Spec, field_spellings
from qdrantctl.model.upgrade import UpgradeReport

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MANIFESTS: tuple[Kind | Overlay, ...] = (*KINDS, *OVERLAYS)
_SHORT_FORMS: dict[type[Spec], dict[str, Json]] = {
    ShardKey: {"type": ["string", "integer"], "minimum": 0},
    Stopwords: {"type": "string"},
    TextScoring: {"type": "boolean"},
    Filter: {"type": "string"},
}
"""Shorthand values that a validator of the kind expands to a whole section."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, for editors: every accepted spelling, no redundant keywords."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Titles that only repeat a field's name are omitted."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """Empty defaults are omitted."""
        result = super().default_schema(schema)
        if result.get("default", MISSING) in (None, "", [], {}):
            del result["default"]
        return result

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> dict[str, Any]:
        """Without `discriminator`, an OpenAPI keyword that strict readers reject."""
        result = super().tagged_union_schema(schema)
        result.pop("discriminator", None)
        return result

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Written files contain every field except those that may be missing."""
        if "serialization_exclude_if" in field:
            return False
        inner = field["schema"]
        if self.mode == "serialization" and inner["type"] == "default":
            return inner.get("default") is not MISSING
        return super().field_is_required(field, total)

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """Accepts every spelling of a field, only one at a time, and null for an absent value."""
        result, spec = super().model_schema(schema), schema["cls"]
        if not issubclass(spec, Spec):
            return result
        properties = result["properties"]
        for property_name in properties.keys() - set(result.get("required", ())):
            properties[property_name] = _allow_null(properties[property_name])
        for name, field in spec.model_fields.items():
            canonical_name, *aliases = field_spellings(name, field)
            for alias in aliases:
                description = f"Another name of {canonical_name}. {field.description}"
                properties[alias] = properties[canonical_name] | {"description": description}
                result.setdefault("allOf", []).append(
                    {"not": {"required": [canonical_name, alias]}}
                )
        return {"anyOf": [_SHORT_FORMS[spec], result]} if spec in _SHORT_FORMS else result


def _allow_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow null where a value may be absent: both mean the same."""
    null = {"type": "null"}
    if null in schema.get("anyOf", ()):
        return schema
    annotations = {key: value for key, value in schema.items() if key in ("description", "default")}
    inner = {key: value for key, value in schema.items() if key not in annotations}
    return {"anyOf": [inner, null], **annotations}


class _DriftEnding(LazyModel):
    """The fields that `Drift.document()` adds to those of a drift report."""

    summary: DriftCounts = Field(description="Number of resources in each block.")
    drift: bool = Field(description="Whether there is drift; exit code 2 means the same.")


class _AuditEnding(LazyModel):
    """The fields that `AuditReport.document()` adds to those of an audit."""

    rules: dict[str, RenderedRule] = Field(description="Every rule by its id.")
    summary: Tally = Field(description="Number of rules with each answer.")
    findings: bool = Field(
        description="Whether findings reach fail_on; exit code 2 means the same."
    )


class _PlanEnding(LazyModel):
    """The fields that `Plan.document()` adds to those of a plan."""

    summary: PlanSummary = Field(description="Number of changes of each action.")
    applicable: bool = Field(description="Whether apply may execute the plan.")
    digest: str = Field(description="sha256 of the canonical JSON of all other fields.")


def schema_names() -> tuple[str, ...]:
    """Names of all schemas: files of `--out` first, then single kinds."""
    return (*_FILES, *(kind.manifest for kind in _MANIFESTS))


def build_schema(name: str) -> dict[str, Json]:
    """The schema with this name, case-insensitive. Raises UsageError."""
    for kind in _MANIFESTS:
        if name.lower() in (kind.manifest.lower(), kind.name):
            return _model_schema(_envelope_schema(kind), "validation")
    if name.lower() not in _FILES:
        raise UsageError(
            f"there is no schema of {name!r}", hint=f"One of {', '.join(schema_names())}."
        )
    return _FILES[name.lower()]()


def schema_text(schema: dict[str, Json]) -> str:
    """The text of a schema's file: the same models give the same bytes."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path, name: str | None) -> Iterator[Path]:
    """Write one schema, or all that have a file of their own; yields each path once written.

    Raises SettingsError when the folder cannot be written.
    """
    for schema_name in (name,) if name else tuple(_FILES):
        path, text = folder / f"{schema_name.lower()}.json", schema_text(build_schema(schema_name))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, text.encode())
        except OSError as error:
            raise SettingsError(f"{path} cannot be written", why=error.strerror or "") from None
        yield path


def _manifest_schema() -> dict[str, Json]:
    """Any manifest: one branch for each kind, distinguished by `kind`, and lists of manifests."""
    kinds = tuple(_envelope_schema(kind) for kind in _MANIFESTS)
    fields: dict[str, Any] = {
        "api_version": (str, Field(alias="apiVersion", description="v1, or qdrantctl/v1.")),
        "kind": (Literal["List"], Field(description="Always List.")),
        "metadata": (dict[str, Any], Field(default_factory=dict, description="Not used.")),
        "items": (list[reduce(or_, kinds)], Field(description="The manifests.")),  # type: ignore[misc]
    }
    list_manifest = create_model(
        "List", __base__=Spec, __doc__="Manifests in one document.", **fields
    )
    schema = _model_schema(reduce(or_, (*kinds, list_manifest)), "validation")
    return schema | {"title": "Manifest", "description": "A manifest of qdrantctl."}


def _plan_schema() -> dict[str, Json]:
    result = _schema_with_ending(Plan, _PlanEnding)
    result["required"].remove("prepare")  # omitted when there is nothing to prepare
    return result


def _drift_schema() -> dict[str, Json]:
    return _schema_with_ending(Drift, _DriftEnding)


def _schema_with_ending(model: type[BaseModel], ending: type[BaseModel]) -> dict[str, Json]:
    """The schema of a model whose document ends with additional fields."""
    result, more = _model_schema(model, "serialization"), _model_schema(ending, "serialization")
    result["properties"] |= more["properties"]
    result["required"] += more["required"]
    result["$defs"] |= more["$defs"]
    return result


@cache
def _envelope_schema(kind: Kind | Overlay) -> type[Spec]:
    """The whole manifest of a kind."""
    kind_name, description = kind.manifest, (kind.spec.__doc__ or "").partition("\n")[0]
    fields: dict[str, Any] = {
        "kind": (Literal[kind_name], Field(description=f"Always {kind_name}.")),
        "spec": (kind.spec, Field(description=description)),
    }
    description = f"A manifest of kind {kind_name}."
    return create_model(f"{kind_name}Manifest", __base__=Envelope, __doc__=description, **fields)


def _model_schema(model: Any, mode: JsonSchemaMode) -> dict[str, Json]:
    schema = TypeAdapter(model).json_schema(schema_generator=_Generator, mode=mode)
    return {"$schema": DIALECT, **schema}


_FILES: dict[str, Callable[[], dict[str, Json]]] = {
    "manifest": _manifest_schema,
    "project": lambda: _model_schema(Project, "validation"),
    "plan": _plan_schema,
    "report": lambda: _model_schema(Report, "serialization"),
    "event": lambda: _model_schema(Event, "serialization"),
    "drift": _drift_schema,
    "audit": lambda: _schema_with_ending(AuditReport, _AuditEnding),
    "upgrade": lambda: _model_schema(UpgradeReport, "serialization"),
    "state": lambda: _model_schema(CommittedFile, "validation"),
}
