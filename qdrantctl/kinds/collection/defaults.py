"""The default settings that a server reports for a collection.

Determined by creating empty collections, and from `config/config.yaml` of each tag.
"""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.field_rule import Json
from qdrantctl.model.server import Server, Version

_INDEXED_SOONER = Version(1, 15, 0)
_SHARDS_CHOSEN = Version(1, 20, 0)


def collection_defaults(spec: Mapping[str, Json], server: Server) -> Mapping[str, Json]:
    """The server defaults in a live collection's `spec`; lists with identity are keyed.

    The server chooses the number of shards. On several nodes it follows the number of nodes, which
    changes, and from 1.20 on it follows no rule that is told: it is left out here, so that imported
    manifests state it.
    """
    defaults: dict[str, Json] = {
        "hnsw_config": {
            "m": 16,
            "ef_construct": 100,
            "full_scan_threshold": 10000,
            "max_indexing_threads": 0,
            "on_disk": False,
        },
        "optimizers_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "indexing_threshold": 10000 if server.version >= _INDEXED_SOONER else 20000,
            "flush_interval_sec": 5,
        },
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1},
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": True,
    }
    if server.peers == 1 and server.version < _SHARDS_CHOSEN:
        defaults["shard_number"] = 1
    shards = {"shards_number": spec.get("shard_number", 1)}
    indexes = spec.get("payload_indexes", {}).items()
    return defaults | {
        "payload_indexes": {p: {"tokenizer": "word"} for p, i in indexes if i["type"] == "text"},
        "shard_keys": {entry["key"]: shards for entry in spec.get("shard_keys", ())},
    }
