"""Checks of a collection: of the manifests alone, and on this cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from qdrantctl.kinds.collection.caps import (
    INDEX_CAP,
    check_filters_served,
    find_lock_outs,
    forbids_exact_count,
    resulting_limits,
)
from qdrantctl.kinds.collection.overrides import check_lifted_overrides
from qdrantctl.kinds.collection.placements import find_idle_spellings
from qdrantctl.kinds.collection.steps import INDEXES, KEYS, STRICT_MODE_SECTION
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.address import is_path_segment
from qdrantctl.model.change import Action, Change
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Version
from qdrantctl.model.step import list_calls
from qdrantctl.model.violation import Finding, Severity, Violation

_NAMES_CHECKED = Version(1, 18, 0)
_PATH_SEGMENTS_REFUSED = Version(1, 20, 0)
_WORD_LENGTHS_CHECKED = Version(1, 20, 0)
_INDEXED_WITHOUT_KEYS = Version(1, 17, 0)
_FORBIDDEN_VECTOR_NAMES = frozenset('<>:"/\\|?*\0\x1f')
_WORKING = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.ADOPT)


def lint_collection(resource: Resource, desired: Inventory) -> Iterator[Finding]:  # noqa: ARG001
    """Findings that need no server."""
    spec = resource.spec
    strict = spec.get(STRICT_MODE_SECTION, {})
    yield from find_lock_outs(resource)
    yield from find_idle_spellings(spec)
    if (STRICT_MODE_SECTION, "search_allow_exact") not in resource.layers:
        yield from forbids_exact_count(strict)
    for cap, vectors in (("multivector_config", "vectors"), ("sparse_config", "sparse_vectors")):
        for name in strict.get(cap, {}):
            if name not in spec.get(vectors, {}):
                yield Finding(
                    "QC101",
                    (STRICT_MODE_SECTION, cap, name),
                    f"{cap} caps {name!r}, which is not among {vectors}; Qdrant accepts it "
                    "without effect",
                    "Correct the name.",
                    Severity.WARNING,
                )
    replicas = spec.get("replication_factor", 1)
    if spec.get("write_consistency_factor", 1) > replicas:
        yield Finding(
            "QC102",
            ("write_consistency_factor",),
            f"write_consistency_factor is above replication_factor ({replicas})",
            "No write can be confirmed by more replicas than there are.",
            Severity.WARNING,
        )


def check_collection(change: Change, context: Context) -> Iterator[Violation]:
    """Requests that this cluster would refuse, and side effects of harmless-looking changes."""
    yield from _check_unread(change, context.live.get(change.parsed_address))
    if change.action not in _WORKING or change.parsed_address not in context.desired:
        return
    desired = context.desired[change.parsed_address]
    live = context.live.get(change.parsed_address)
    live_spec = live.spec if live and change.action is not Action.REPLACE else {}
    yield from _check_vector_names(change, desired, context)
    yield from _check_word_lengths(change, context)
    if context.server.version < _INDEXED_WITHOUT_KEYS:
        yield from _check_shard_keys(change, desired.spec, live_spec)
    if INDEX_CAP not in desired.declared.get("acknowledge", ()):
        yield from _check_index_limit(change, desired.spec, live_spec)
    yield from check_filters_served(change, context, live_spec)
    yield from _check_needed_indexes(change, desired, live_spec)
    yield from _check_graph_loss(change, desired.spec, live_spec)
    yield from _check_replicas(change, live)
    yield from check_lifted_overrides(change, live)


def _check_unread(change: Change, live: Resource | None) -> Iterator[Violation]:
    cause = live.facts.unread.get(INDEXES) if live else None
    if cause is not None:
        yield Violation(
            rule="QC128",
            severity=Severity.WARNING,
            address=change.address,
            message="its payload indexes and points cannot be read, because a shard has no "
            f"replica that is up; the indexes are taken as last applied ({cause})",
            hint="Bring the node back and plan again.",
        )


def _check_vector_names(change: Change, desired: Resource, context: Context) -> Iterator[Violation]:
    for call in list_calls(change.steps):
        name = unquote(call.path.rpartition("/vectors/")[2])
        if "/vectors/" in call.path and is_path_segment(name):
            yield Violation(
                rule="QC120",
                address=change.address,
                message=f"no request is sent for the vector name {name!r}: it is a path segment",
                hint="Create the collection with another name, or keep the vector.",
            )
    version = context.server.newest_version
    for what, hint in find_refused_names(desired.spec, version):
        yield Violation(
            rule="QC120",
            address=change.address,
            message=f"Qdrant {version} refuses {what}",
            hint=hint,
        )


def _check_word_lengths(change: Change, context: Context) -> Iterator[Violation]:
    """QC134, for the indexes that the change builds: one that exists is left alone."""
    if context.server.newest_version < _WORD_LENGTHS_CHECKED:
        return
    for call in list_calls(change.steps):
        schema = call.body.get("field_schema") if isinstance(call.body, dict) else None
        if not isinstance(schema, dict):
            continue
        least, most = schema.get("min_token_len"), schema.get("max_token_len")
        if least is not None and most is not None and least > most:
            yield Violation(
                rule="QC134",
                address=change.address,
                message=f"Qdrant {context.server.newest_version} refuses the text index "
                f"{call.body['field_name']!r}: min_token_len {least} is above "
                f"max_token_len {most}, so no word would be indexed",
                hint="Lower min_token_len, or raise max_token_len.",
            )


def find_refused_names(spec: Mapping[str, Json], version: Version) -> Iterator[tuple[str, str]]:
    """Every vector name that a server refuses, in a creation as in a snapshot; and what to do."""
    if version < _NAMES_CHECKED:
        return
    for name in (*spec.get("vectors", ()), *spec.get("sparse_vectors", ())):
        if set(name) & _FORBIDDEN_VECTOR_NAMES:
            yield (
                f"the vector name {name!r}",
                'From 1.18 on a vector name may hold none of < > : " / \\ | ? *.',
            )
        elif version >= _PATH_SEGMENTS_REFUSED and name in (".", ".."):
            yield (
                f"the vector name {name!r}",
                "From 1.20 on a vector name may not be a path segment.",
            )
    if "" in spec.get("sparse_vectors", {}):
        yield "a sparse vector without a name", "Name it. Servers before 1.18 accepted it."


def _check_shard_keys(
    change: Change, desired: Mapping[str, Json], live: Mapping[str, Json]
) -> Iterator[Violation]:
    custom = desired.get("sharding_method", live.get("sharding_method")) == "custom"
    indexed = any(field.path[0] == INDEXES for field in change.fields)
    if custom and indexed and not desired.get(KEYS) and not live.get(KEYS):
        yield Violation(
            rule="QC121",
            address=change.address,
            message="payload indexes cannot be created while there is no shard key",
            hint="State the first shard key under shard_keys.",
        )


def _check_index_limit(
    change: Change, desired: Mapping[str, Json], live: Mapping[str, Json]
) -> Iterator[Violation]:
    caps = resulting_limits(desired, live)
    if not caps.get("enabled"):
        return
    cap = caps.get(INDEX_CAP, UNLIMITED)
    indexes = {*live.get(INDEXES, {}), *desired.get(INDEXES, {})}
    for field in change.fields:
        if field.path[0] == INDEXES and len(field.path) == 2 and field.desired is ABSENT:
            indexes.discard(str(field.path[1]))
    growing = any(
        f.path[0] == INDEXES and len(f.path) == 2 and f.live is ABSENT for f in change.fields
    )
    if growing and len(indexes) > cap:
        yield Violation(
            rule="QC122",
            address=change.address,
            message=f"{len(indexes)} payload indexes would exceed the cap of {cap} ({INDEX_CAP})",
            hint="Raise the cap in the manifest, or drop an index.",
        )


def _check_needed_indexes(
    change: Change, desired: Resource, live: Mapping[str, Json]
) -> Iterator[Violation]:
    """QC123: an index that goes, unless `filters` shows that applications do not filter on it."""
    caps, filters = resulting_limits(desired.spec, live), desired.declared.get("filters")
    if not caps.get("enabled") or caps.get("unindexed_filtering_retrieve", True):
        return
    for field in change.fields:
        if field.path[0] != INDEXES or len(field.path) != 2 or field.desired is not ABSENT:
            continue
        is_filtered = filters is None or field.path[1] in (entry["key"] for entry in filters)
        if field.effect > Effect.KEPT and is_filtered:
            yield Violation(
                rule="QC123",
                address=change.address,
                message=f"dropping the payload index {field.path[1]!r} breaks every filter on it: "
                "unindexed_filtering_retrieve is false",
                hint="Keep the index. If applications do not filter on the field, state under "
                "filters those that they filter on; it can go then.",
            )


def _check_graph_loss(
    change: Change, desired: Mapping[str, Json], live: Mapping[str, Json]
) -> Iterator[Violation]:
    tuning = {**live.get("optimizers_config", {}), **desired.get("optimizers_config", {})}
    rebuilt = any(
        field.effect is Effect.REBUILD and field.path[0] not in (INDEXES, KEYS)
        for field in change.fields
    )
    if rebuilt and live and tuning.get("indexing_threshold") == 0:
        yield Violation(
            rule="QC124",
            severity=Severity.WARNING,
            address=change.address,
            message="indexing_threshold is 0, so the server drops the graph and builds no new one",
            hint="Raise indexing_threshold before a change that re-indexes.",
        )
    if rebuilt and live and tuning.get("max_optimization_threads") == 0:
        yield Violation(
            rule="QC125",
            severity=Severity.WARNING,
            address=change.address,
            message="max_optimization_threads is 0, so the server never carries out the change: "
            "it reports the new settings and stays yellow",
            hint="Set max_optimization_threads: auto.",
        )


def _check_replicas(change: Change, live: Resource | None) -> Iterator[Violation]:
    for field in change.fields:
        is_factor = field.path == ("replication_factor",) and field.desired is not ABSENT
        if is_factor and live and live.facts.replicas:
            fewer = sum(count < field.desired for count in live.facts.replicas.values())
            if fewer:
                yield Violation(
                    rule="QC126",
                    severity=Severity.NOTE,
                    address=change.address,
                    message=f"{fewer} of {len(live.facts.replicas)} shards have fewer than "
                    f"{field.desired} replicas, and the change creates none",
                    hint="Create them with POST /collections/{name}/cluster (replicate_shard).",
                )
