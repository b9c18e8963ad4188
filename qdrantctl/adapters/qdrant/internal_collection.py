"""Creates the collections that are reserved for qdrantctl: ledger, leases and key registry."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.field_rule import Json
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call, collection_path

_UNLIMITED = 2**63 - 1
_MOST_REPLICAS = 3
_METADATA_SINCE = Version(1, 15, 4)


def supports_metadata(server: Server) -> bool:
    """Whether collections of this server can carry metadata."""
    return server.version >= _METADATA_SINCE


def replica_count(server: Server, *, everywhere: bool) -> int:
    """How many replicas an internal collection has: one on each node, or three."""
    return server.peers if everywhere else min(server.peers, _MOST_REPLICAS)


def replica_settings(replicas: int) -> dict[str, Json]:
    """The settings of a collection with this many replicas: most of them confirm a write."""
    return {"replication_factor": replicas, "write_consistency_factor": replicas // 2 + 1}


def internal_collection_request(
    server: Server,
    name: str,
    metadata: Mapping[str, Json] | None = None,
    *,
    everywhere: bool = False,
) -> Call:
    """The request that creates an internal collection: no vectors, several replicas, no limits.

    A server may enable strict mode for every new collection, so the request disables it. With
    `everywhere` each node gets a replica.
    """
    body: dict[str, Json] = {
        "vectors": {},
        "shard_number": 1,
        **replica_settings(replica_count(server, everywhere=everywhere)),
        "strict_mode_config": {
            "enabled": False,
            "read_rate_limit": _UNLIMITED,
            "write_rate_limit": _UNLIMITED,
        },
    }
    if supports_metadata(server):
        body["metadata"] = {"managed_by": "qdrantctl", **(metadata or {})}
    return Call(method="PUT", path=collection_path(name), body=body)
