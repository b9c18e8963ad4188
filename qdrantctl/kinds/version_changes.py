"""What the versions of Qdrant changed: the one table that `upgrade-check` reads.

Fields, their values and their deprecations are not here: the rule of a field says since and until
when a server has it. This table holds the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.field_rule import Json
from qdrantctl.model.server import Version
from qdrantctl.model.upgrade import Topic, VersionChange
from qdrantctl.model.violation import Severity

NEWEST_PATCHES: Mapping[tuple[int, int], Version] = {
    (1, 15): Version(1, 15, 5),
    (1, 16): Version(1, 16, 3),
    (1, 17): Version(1, 17, 1),
    (1, 18): Version(1, 18, 3),
}
"""The newest known version of each minor that can lie on the way."""
TARGETS = (Version(1, 17, 0), Version(1, 20, 0))
"""The first and the last minor version whose changes this table holds."""
WITHOUT_ROCKSDB = Version(1, 18, 0)
CONVERTS_ROCKSDB = Version(1, 16, 1)
"""From here on a server converts segments in RocksDB when it loads them; 1.18 cannot read them."""

_FOR_COLLECTIONS, _FOR_ACCESS_KEYS = "collection", "access_key"


def _has_named_vectors(spec: Mapping[str, Json]) -> bool:
    return any(spec.get("vectors", {}))


def _has_unnamed_vector(spec: Mapping[str, Json]) -> bool:
    return "" in spec.get("vectors", {})


def _has_custom_sharding(spec: Mapping[str, Json]) -> bool:
    return bool(spec.get("sharding_method") == "custom")


def _states_no_shards(spec: Mapping[str, Json]) -> bool:
    return "shard_number" not in spec


VERSION_CHANGES: tuple[VersionChange, ...] = (
    VersionChange(
        "1.17.0",
        Topic.MEANING,
        "a write, and the build of an index, can be answered with 200 and the status wait_timeout: "
        "it is under way, not done",
        "Let clients that wait for a write look at result.status.",
    ),
    VersionChange(
        "1.17.0",
        Topic.IN_PLACE,
        "payload indexes can be created before the first shard key",
        kind=_FOR_COLLECTIONS,
        concerns=_has_custom_sharding,
    ),
    VersionChange(
        "1.17.0",
        Topic.MEANING,
        "the audit log of the server names the claim `subject` of a token; tokens without it leave "
        "no name",
        "Issue tokens again (`qdrantctl keys rotate`): newer ones have it.",
        kind=_FOR_ACCESS_KEYS,
    ),
    VersionChange(
        "1.17.0",
        Topic.METRICS,
        "rest_responses_fail_total and grpc_responses_fail_total are gone",
        "Count rest_responses_total and grpc_responses_total by their label status.",
    ),
    VersionChange(
        "1.17.0", Topic.METRICS, "collection_update_queue_length is new: writes that wait"
    ),
    VersionChange(
        "1.17.1",
        Topic.METRICS,
        "the label endpoint is /collections/{collection_name}/… instead of /collections/{name}/…",
        "Change queries and alerts that select endpoints. Telemetry has the new names, too.",
    ),
    VersionChange(
        "1.17.1",
        Topic.METRICS,
        "collection_update_queue_deferred_points is new; ?per_collection=true adds a label "
        "collection",
    ),
    VersionChange(
        "1.17.1",
        Topic.MEANING,
        "snapshots are recovered from file:// only below the server's own snapshots folder",
        "Upload the file, or recover it over HTTP.",
    ),
    VersionChange(
        "1.18.0",
        Topic.ORDER,
        "1.18 and newer cannot read segments in RocksDB, which servers before 1.16.1 may have "
        "written; 1.16.1 to 1.17.1 convert them when they start",
        "Start every step on the way, and wait until it is ready.",
        Severity.WARNING,
        only_from_before=str(CONVERTS_ROCKSDB),
    ),
    VersionChange(
        "1.18.0",
        Topic.MEANING,
        "an update without `timeout` is answered after 60 seconds at the latest, with wait_timeout "
        "if it is not done",
        "Let clients that take 200 as done look at result.status, or send a longer timeout.",
    ),
    VersionChange(
        "1.18.0",
        Topic.MEANING,
        "shards move between nodes as snapshots, unless a request names another method",
        "Plan disk for a second copy of the largest shard.",
        only_in_cluster=True,
    ),
    VersionChange(
        "1.18.0",
        Topic.IN_PLACE,
        "a vector name can be added to a collection; before, that needed a new collection",
        kind=_FOR_COLLECTIONS,
    ),
    VersionChange(
        "1.18.0",
        Topic.MEANING,
        "once a vector name is added, the server reports the unnamed vector as the map entry "
        '"" for good',
        "Let clients that read vectors.size of such a collection read the map as well.",
        kind=_FOR_COLLECTIONS,
        concerns=_has_unnamed_vector,
    ),
    VersionChange("1.18.0", Topic.METRICS, "audit_log_dir_size_bytes is new"),
    VersionChange(
        "1.18.1",
        Topic.MEANING,
        "a change of settings is answered before the optimizers start, so the first status after "
        "it can still be green",
        "Let scripts that wait for green look at /collections/{collection_name}/optimizations.",
    ),
    VersionChange(
        "1.19.0",
        Topic.MEANING,
        "after a restart during an optimization a collection can stay grey until something "
        "changes its settings",
        'An empty change wakes it: PATCH the collection with {"hnsw_config": {}}.',
    ),
    VersionChange(
        "1.19.0",
        Topic.MEANING,
        "writes, indexes and vector names can be answered with 507 where a quota of the node is "
        "exceeded; nothing was done then",
    ),
    VersionChange(
        "1.19.0",
        Topic.MEANING,
        "an empty api_key in the server's configuration means no key: every caller may do "
        "everything",
        "Check the server's configuration before it is started.",
    ),
    VersionChange(
        "1.19.0",
        Topic.METRICS,
        "the quotas of the node have metrics, with the label resource",
    ),
    VersionChange(
        "1.19.0",
        Topic.DEPRECATED,
        "the endpoints points/search, points/recommend and points/discover are no longer in the "
        "API description; they are still served",
        "Let clients use points/query.",
    ),
    VersionChange(
        "1.19.0",
        Topic.IN_PLACE,
        "a vector name can be dropped without a risk for other points; on 1.18 it is refused",
        kind=_FOR_COLLECTIONS,
        concerns=_has_named_vectors,
    ),
    VersionChange(
        "1.19.0",
        Topic.IN_PLACE,
        "size and distance of one named vector can be changed by dropping and adding its name; "
        "only the vectors under that name are lost",
        kind=_FOR_COLLECTIONS,
        concerns=_has_named_vectors,
    ),
    VersionChange(
        "1.20.0",
        Topic.MEANING,
        "the server chooses the number of shards of a new collection that does not state it",
        "State shard_number where the number matters.",
        kind=_FOR_COLLECTIONS,
        concerns=_states_no_shards,
    ),
    VersionChange(
        "1.18.0",
        Topic.NO_WAY_BACK,
        "once turbo quantization or turbo4 is used, an older server does not start with this "
        "storage, and restores no snapshot of such a collection",
    ),
    VersionChange(
        "1.19.0",
        Topic.NO_WAY_BACK,
        "once memory is used, an older server drops it without a word, and on_disk counts again",
    ),
)
"""Everything but fields, by topic and version."""
