"""Which collections a document selects: by globs on names, by labels, or by both."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.consent import matches_glob
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Resource


def selects_collection(spec: Mapping[str, Json], resource: Resource) -> bool:
    """Whether `collections` and `match_labels` select a resource; if both are stated, both must."""
    globs = spec.get("collections", ["*"])
    labels: Mapping[str, str] = spec.get("match_labels", {})
    return (
        resource.address.kind == "collection"
        and any(matches_glob(glob, resource.address.name) for glob in globs)
        and labels.items() <= resource.labels.items()
    )
