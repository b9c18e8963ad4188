"""The kind Collection as a value."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.kinds.collection.checks import check_collection, lint_collection
from qdrantctl.kinds.collection.defaults import collection_defaults
from qdrantctl.kinds.collection.observe import KIND, canonical_collection, observe_collections
from qdrantctl.kinds.collection.placements import judge_placements, respell_placements
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.kinds.collection.steps import (
    STRICT_MODE_SECTION,
    collection_steps,
    split_for_filling,
)
from qdrantctl.kinds.collection.strict_mode import RATES, UNLIMITED
from qdrantctl.model.field_rule import Json
from qdrantctl.model.kind import Kind


def expand(
    desired: Mapping[str, Json], live: Mapping[str, Json], recorded: Mapping[str, Json]
) -> Mapping[str, Json]:
    """Strict mode switched off also lifts both rate limits.

    Their limiter ignores `enabled` at creation and after a restart, so limits that are only
    disabled would apply again.
    """
    strict = desired.get(STRICT_MODE_SECTION, {})
    was_applied = recorded.get(STRICT_MODE_SECTION, {}).get("enabled")
    off = strict.get("enabled") is False or ("enabled" not in strict and was_applied)
    dormant = {
        cap: UNLIMITED
        for cap in RATES
        if cap in live.get(STRICT_MODE_SECTION, {}) and cap not in strict
    }
    if not off or not dormant:
        return desired
    return {**desired, STRICT_MODE_SECTION: {**strict, **dormant}}


def unmet_requirement(requirement: str, desired: Mapping[str, Json]) -> str:
    """Strict mode counts only if it is enabled: its limits alone have no effect."""
    enabled = desired.get(STRICT_MODE_SECTION, {}).get("enabled")
    return "" if requirement != "strict_mode" or enabled else "has no strict mode enabled"


COLLECTION = Kind(
    name=KIND,
    manifest="Collection",
    spec=Collection,
    canonical=canonical_collection,
    observe=observe_collections,
    steps=collection_steps,
    split_for_filling=split_for_filling,
    lint=lint_collection,
    check=check_collection,
    expand=expand,
    respell=respell_placements,
    refine_fields=judge_placements,
    unmet_requirement=unmet_requirement,
    server_defaults=collection_defaults,
    namespace="collections",
    holds_data=True,
)
"""A Qdrant collection with everything that Qdrant keeps about it."""
