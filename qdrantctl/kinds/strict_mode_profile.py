"""The overlay StrictModeProfile: a platform team's caps, merged beneath collections' own.

A cap that a collection states itself stays as it is. If several profiles cover a collection,
they are merged in the order of their names, and the last one wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection.caps import forbids_exact_count
from qdrantctl.kinds.collection.observe import prune_empty
from qdrantctl.kinds.collection.spec import Acknowledged
from qdrantctl.kinds.collection.steps import STRICT_MODE_SECTION
from qdrantctl.kinds.collection.strict_mode import StrictMode
from qdrantctl.kinds.collection_selector import selects_collection
from qdrantctl.model.field_rule import FieldRule, Json
from qdrantctl.model.kind import Overlay
from qdrantctl.model.resource import Inventory, OverlayOrigin, Resource
from qdrantctl.model.spec import Path, Spec, field_tree_of
from qdrantctl.model.violation import Finding, Severity

CONFIG = "config"
_BY_VECTOR = {"multivector_config": "vectors", "sparse_config": "sparse_vectors"}
"""Maps of caps by vector name, and the section in which a collection states the vectors."""


class StrictModeProfile(Spec):
    """Caps, and the collections of this project that they apply to."""

    collections: Annotated[
        list[str] | None,
        Field(min_length=1, description="Names of collections, with * and ? as wildcards."),
    ] = None
    match_labels: Annotated[
        dict[str, str] | None,
        Field(min_length=1, description="Labels that a collection must have, all of them."),
    ] = None
    config: Annotated[StrictMode, Field(description="The caps, as in strict_mode_config.")]
    acknowledge: Annotated[
        list[Acknowledged] | None,
        FieldRule(client_side=True),
        Field(description="Caps that may lock clients out, stated as intended."),
    ] = None

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if not self.collections and not self.match_labels:
            raise PydanticCustomError(
                "profile",
                "the profile selects no collections",
                {
                    "rule": "QC130",
                    "hint": 'State collections: ["*"], or match_labels: {team: search}.',
                },
            )
        return self


def _canonical_profile(spec: Spec) -> Mapping[str, Json]:
    plain = spec.model_dump(exclude_none=True)
    plain[CONFIG] = prune_empty(field_tree_of(StrictMode), plain[CONFIG])
    return plain


def _apply_profiles(documents: Inventory, desired: Inventory) -> Inventory:
    return Inventory(
        _merge_beneath(
            [d for d in documents.values() if selects_collection(d.spec, resource)], resource
        )
        for resource in desired.values()
    )


def _merge_beneath(documents: list[Resource], resource: Resource) -> Resource:
    if not documents:
        return resource
    shape = field_tree_of(StrictMode)
    own_caps = shape.leaves(resource.spec.get(STRICT_MODE_SECTION, {}))
    caps: dict[Path, Json] = {}
    layers: dict[Path, OverlayOrigin] = {}
    allowed = list(resource.declared.get("acknowledge", ()))
    for document in documents:
        allowed += document.declared.get("acknowledge", ())
        for path, value in shape.leaves(document.spec[CONFIG]).items():
            if path in own_caps or not _is_applicable(path, resource.spec):
                continue
            caps[path] = value
            inside = (CONFIG, *path)
            layers[(STRICT_MODE_SECTION, *path)] = OverlayOrigin(
                document.address, inside, document.origin_of(inside)
            )
    caps |= own_caps
    # A collection may state an empty section, which differs from none.
    stated = caps or STRICT_MODE_SECTION in resource.spec
    spec = {**resource.spec, STRICT_MODE_SECTION: shape.build(caps)} if stated else resource.spec
    declared = {**resource.declared, "acknowledge": allowed}
    return replace(resource, spec=spec, layers=layers, declared=declared)


def _is_applicable(path: Path, spec: Mapping[str, Json]) -> bool:
    """A cap on a vector applies only to collections that have the vector."""
    vectors = _BY_VECTOR.get(str(path[0]))
    return vectors is None or path[1] in spec.get(vectors, {})


def _lint_profile(document: Resource, desired: Inventory) -> Iterator[Finding]:
    if not any(selects_collection(document.spec, resource) for resource in desired.values()):
        message = "the profile covers no collection of this project"
        hint = "Correct its globs or labels, or leave it out here."
        yield Finding("QC131", _profile_selector(document.spec), message, hint, Severity.WARNING)
    yield from _move_findings(forbids_exact_count(document.spec[CONFIG]))


def _profile_selector(spec: Mapping[str, Json]) -> Path:
    return ("collections",) if "collections" in spec else ("match_labels",)


def _move_findings(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings about caps, at their places in a profile."""
    for finding in findings:
        yield replace(finding, path=(CONFIG, *finding.path[1:]))


STRICT_MODE_PROFILE = Overlay(
    name="strict_mode_profile",
    manifest="StrictModeProfile",
    spec=StrictModeProfile,
    canonical=_canonical_profile,
    apply=_apply_profiles,
    lint=_lint_profile,
)
"""Caps that are merged beneath those of collections."""
