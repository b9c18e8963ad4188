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
    replicas = server.peers if everywhere else min(server.peers, _MOST_REPLICAS)
    body: dict[str, Json] = {
        "vectors": {},
        "shard_number": 1,
        "replication_factor": replicas,
        "write_consistency_factor": replicas // 2 + 1,
        "strict_mode_config": {
            "enabled": False,
            "read_rate_limit": _UNLIMITED,
            "write_rate_limit": _UNLIMITED,
        },
    }
    if supports_metadata(server):
        body["metadata"] = {"managed_by": "qdrantctl", **(metadata or {})}
    return Call(method="PUT", path=collection_path(name), body=body)
