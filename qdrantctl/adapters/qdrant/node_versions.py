"""The version of every node of a cluster: during an upgrade they differ.

A setting that only some nodes know is kept by these and dropped by the others, without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

_TELEMETRY = Call(method="GET", path="/telemetry", query={"details_level": "3"})
"""Every node knows the versions of all from their consensus (1.16 to 1.19), also of nodes that are
down. `/cluster/telemetry` (1.17) asks each node, and is silent about those."""


def with_node_versions(
    server: Server, cluster: Mapping[str, Json], request: Callable[[Call], Json]
) -> Server:
    """The server with the versions of all its nodes; `cluster` is the result of GET /cluster."""
    others = set(cluster.get("peers") or ()) - {str(cluster.get("peer_id"))}
    if not others:
        return server
    try:
        told = request(_TELEMETRY)["cluster"]["peer_metadata"]
    except (ClusterError, LookupError, TypeError):
        told = None
    versions = [server.version]
    for peer in others if isinstance(told, Mapping) else ():
        try:
            versions.append(Version.parse(str(told[peer]["version"])))
        except (LookupError, TypeError, ValueError):
            continue
    return replace(
        server,
        version=min(versions),
        newest=max(versions),
        untold=len(others) + 1 - len(versions),
    )
