"""Optimizer settings in force that are not the reported ones.

`storage.optimizers_overwrite` of a server's configuration replaces the settings of every collection
when it is loaded. No response shows it (1.16 to 1.19), but the index contradicts the settings then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qdrantctl.kinds.collection.steps import STRICT_MODE_SECTION
from qdrantctl.model.change import Change
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Resource
from qdrantctl.model.step import list_calls
from qdrantctl.model.violation import Severity, Violation

_BYTES = {"float32": 4, "float16": 2, "uint8": 1}
_HARMLESS = {STRICT_MODE_SECTION, "metadata"}
"""Sections whose change leaves the optimizers as they are."""
_KIB = 1024


def find_contradiction(info: Mapping[str, Any], spec: Mapping[str, Json]) -> str:
    """How the index of a collection contradicts its reported settings; empty if it does not.

    `info` is the result of GET /collections/{name}. A collection whose size the settings do not
    tell, as with multivectors, is not judged.
    """
    vectors = spec.get("vectors", {}).values()
    threshold = spec.get("optimizers_config", {}).get("indexing_threshold", 0)
    sizes = [v["size"] * _BYTES.get(v.get("datatype", "float32"), 0) for v in vectors]
    is_plain = not spec.get("sparse_vectors") and not any(
        "multivector_config" in v for v in vectors
    )
    if not (sizes and all(sizes) and is_plain and threshold):
        return ""
    indexed, points = info.get("indexed_vectors_count") or 0, info.get("points_count") or 0
    size = points * max(sizes) / _KIB
    stated = f"indexing_threshold is {threshold:,} kB"
    if indexed and size < threshold:
        return f"{indexed:,} vectors of {size:,.0f} kB are indexed, and {stated}"
    in_one_segment = size / max(info.get("segments_count") or 1, 1)
    threads = spec.get("optimizers_config", {}).get("max_optimization_threads")
    is_idle = info.get("status") == "green" and threads != 0
    if not indexed and is_idle and in_one_segment > threshold:
        return f"no vector of {size:,.0f} kB is indexed, and {stated}"
    return ""


def check_lifted_overrides(change: Change, live: Resource | None) -> Iterator[Violation]:
    """QC129: a PATCH puts the reported settings into force, until the server starts again."""
    patches = (call.body for call in list_calls(change.steps) if call.method == "PATCH")
    if live is None or not live.facts.contradiction:
        return
    if any(set(body) - _HARMLESS for body in patches):
        yield Violation(
            rule="QC129",
            severity=Severity.WARNING,
            address=change.address,
            message="its index is not as its settings say: "
            f"{live.facts.contradiction}. If the server's configuration overrides them "
            "(storage.optimizers_overwrite), this change lifts the override until the server "
            "starts again, and the collection may be re-indexed",
            hint="Compare the server's configuration. State the values in force under "
            "optimizers_config to keep them. It means nothing if the collection was larger, or the "
            "setting another one, before.",
        )
