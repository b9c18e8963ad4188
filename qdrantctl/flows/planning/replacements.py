"""The old collections of replacements that may be deleted now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from qdrantctl.flows.state.live import ClusterState
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import UsageError


def find_retirable(
    cluster_state: ClusterState, client: NodeClient, named: Sequence[Address]
) -> frozenset[Address]:
    """The replacements whose old collection was kept long enough, and the `named` ones.

    The server's clock decides. Raises UsageError for a named one whose old collection is not kept:
    until the end of the last phase applications may use it.
    """
    replacements = cluster_state.replacements
    for address in named:
        record = replacements.get(address)
        if record is None:
            raise UsageError(
                f"no replacement of {address} is under way",
                hint="`qdrantctl replacement status` lists them.",
            )
        if not record.is_kept:
            raise UsageError(
                f"the replacement of {address} has not ended: it is in phase {record.phase}",
                hint=f"qdrantctl replacement resume {address} goes on with it.",
            )
    kept = {a: r.keep_until for a, r in replacements.items() if r.is_kept}
    if not kept:
        return frozenset()
    now = client.server_time
    due = (a for a, until in kept.items() if datetime.fromisoformat(until) <= now)
    return frozenset((*due, *named))
