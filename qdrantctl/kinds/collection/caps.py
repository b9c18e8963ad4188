"""Strict-mode caps that lock the owner out, or break requests of the application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.kinds.collection.steps import INDEXES, SCHEMA_TOKENS, STRICT_MODE_SECTION
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.change import Change
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Resource
from qdrantctl.model.violation import Finding, Severity, Violation

INDEX_CAP = "max_payload_index_count"
_BLOCKING = {
    "search_max_hnsw_ef": "every search that states hnsw_ef",
    "search_max_oversampling": "every search that states oversampling",
    "search_max_batchsize": "every batch of searches",
    "upsert_max_batchsize": "every upsert",
    "max_collection_vector_size_bytes": "every write",
    "max_collection_payload_size_bytes": "every write",
    "filter_max_conditions": "every filter",
    "condition_max_size": "every condition on several values",
}
"""The requests that 0 blocks completely."""
_SERVES = {
    "match": ("keyword", "integer", "bool", "uuid"),
    "range": ("integer", "float", "datetime"),
    "text": ("text",),
    "geo": ("geo",),
}
"""Types of payload index that serve a condition."""
_UNINDEXED = ("unindexed_filtering_retrieve", "unindexed_filtering_update")


def find_lock_outs(resource: Resource) -> Iterator[Finding]:
    """Caps that refuse the owner's own requests, unless the manifest acknowledges them."""
    strict = resource.spec.get(STRICT_MODE_SECTION, {})
    acknowledged = resource.declared.get("acknowledge", ())
    for cap, message, hint, rule in _locking_limits(strict, resource.spec):
        if cap not in acknowledged:
            full_hint = f"{hint}, or state that it is intended: acknowledge: [{cap}]."
            yield Finding(rule, (STRICT_MODE_SECTION, cap), message, full_hint)


def _locking_limits(
    strict: Mapping[str, Json], spec: Mapping[str, Json]
) -> Iterator[tuple[str, str, str, str]]:
    """The cap, its effect, the remedy, and the rule that it violates."""
    indexes = len(spec.get(INDEXES, {}))
    # The limiter of writes ignores `enabled` when a collection is created or loaded.
    writes, batch = strict.get("write_rate_limit"), strict.get("upsert_max_batchsize")
    if writes is not None and writes < SCHEMA_TOKENS and indexes:
        message = f"a payload index costs {SCHEMA_TOKENS} write tokens, so none can be created"
        yield "write_rate_limit", message, f"Allow at least {SCHEMA_TOKENS} a minute", "QC104"
    elif writes is not None and batch is not None and writes < batch:
        message = f"a batch of {batch} points, which upsert_max_batchsize allows, is always refused"
        yield "write_rate_limit", message, "Raise it, or lower upsert_max_batchsize", "QC104"
    if strict.get("enabled") is False:
        return
    for cap, blocked in _BLOCKING.items():
        if strict.get(cap) == 0:
            yield cap, f"0 blocks {blocked}", "State a larger value", "QC104"
    if indexes > strict.get(INDEX_CAP, UNLIMITED):
        message = f"{indexes} payload indexes are stated and {INDEX_CAP} allows {strict[INDEX_CAP]}"
        yield INDEX_CAP, message, "Raise the cap or drop an index", "QC118"


def forbids_exact_count(strict: Mapping[str, Json]) -> Iterator[Finding]:
    """A plain count, which is refused if exact searches are."""
    if strict.get("search_allow_exact") is False and strict.get("enabled") is not False:
        yield Finding(
            "QC105",
            (STRICT_MODE_SECTION, "search_allow_exact"),
            "counting points is exact unless the request disables it, so a plain count is refused",
            "Let applications send exact: false with POST /collections/{name}/points/count.",
            Severity.WARNING,
        )


def resulting_limits(desired: Mapping[str, Json], live: Mapping[str, Json]) -> Mapping[str, Json]:
    """The caps as they will be."""
    return {**live.get(STRICT_MODE_SECTION, {}), **desired.get(STRICT_MODE_SECTION, {})}


def check_filters_served(
    change: Change, context: Context, live: Mapping[str, Json]
) -> Iterator[Violation]:
    """Filters of the application need an index once unindexed filters are refused."""
    desired = context.desired[change.parsed_address]
    caps = resulting_limits(desired.spec, live)
    off = [cap for cap in _UNINDEXED if caps.get(cap) is False]
    if not off or not caps.get("enabled"):
        return
    indexes = {**live.get(INDEXES, {}), **desired.spec.get(INDEXES, {})}
    for field in change.fields:
        is_dropped = field.path[0] == INDEXES and len(field.path) == 2 and field.desired is ABSENT
        if is_dropped and field.effect > Effect.KEPT:
            indexes.pop(str(field.path[1]), None)
    for condition in desired.declared.get("filters", ()):
        key, by = condition["key"], condition.get("by")
        if reason := _explain_unserved(indexes.get(key), by):
            yield Violation(
                rule="QC132",
                address=change.address,
                message=f"the application filters on {key!r}{f' by {by}' if by else ''}, {reason}, "
                f"and {' and '.join(off)} is false: its requests would be refused",
                hint=f"State the index under payload_indexes, for instance "
                f"{key}: {_SERVES[by][0] if by else 'keyword'}.",
            )


def _explain_unserved(index: Json, by: str | None) -> str:
    """Why an index does not serve a condition; empty when it does."""
    if index is None:
        return "which has no payload index"
    kind = index["type"]
    if by is None:
        return ""
    off = {"match": "lookup", "range": "range"}.get(by, "")
    if kind not in _SERVES[by] or (kind == "integer" and index.get(off) is False):
        return f"which its {kind} index does not serve"
    return ""
