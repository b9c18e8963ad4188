"""Fields of a spec that a version of Qdrant deprecates. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.field_rule import Deprecation, Json
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import UNKNOWN, Version
from qdrantctl.model.spec import FieldTree, Path, field_tree_of
from qdrantctl.model.violation import Finding, Severity

DEPRECATION_RULE = "QC245"


def find_deprecated(
    shape: FieldTree, spec: Json, version: Version
) -> Iterator[tuple[Path, Deprecation]]:
    """The stated fields that `version` deprecates, each with what to write instead."""
    for path in shape.leaves(spec):
        *_, field = shape.walk(path)
        deprecated = field.rule.deprecated
        if deprecated is not None and Version.parse(deprecated.since) <= version:
            yield path, deprecated


def find_deprecations(resource: Resource, kind: Kind, version: Version) -> Iterator[Finding]:
    """QC245: the deprecated fields of a desired resource; none if the version is unknown."""
    if version == UNKNOWN:
        return
    for path, deprecated in find_deprecated(field_tree_of(kind.spec), resource.spec, version):
        name = ".".join(str(word) for word in path if word != "")
        message = f"{name} is deprecated since Qdrant {deprecated.since}"
        yield Finding(DEPRECATION_RULE, path, message, deprecated.advice, Severity.NOTE)
