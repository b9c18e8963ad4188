"""The spec that a record stores: the desired one, without fields that plans ignore. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from qdrantctl.model.field_rule import Json
from qdrantctl.model.paths import get_at, put_at
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import Path


def ignored_paths(desired: Resource, today: date) -> frozenset[Path]:
    """Fields that plans ignore today."""
    return frozenset(
        entry.path
        for entry in desired.lifecycle.ignore
        if entry.until is None or entry.until >= today
    )


def spec_to_record(
    desired: Resource, applied: Resource | None, ignored: frozenset[Path]
) -> Mapping[str, Json]:
    """The spec for the record: desired values, ignored fields as they were recorded."""
    if applied is None or not ignored:
        return desired.spec
    stored = dict(desired.spec)
    for path in ignored:
        stored = put_at(stored, path, get_at(applied.spec, path))
    return stored
