"""Replacements as a plan finds them: who carries them out, and which old collections may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from qdrantctl.flows.lease import find_holder
from qdrantctl.flows.state.live import ClusterState
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import UsageError
from qdrantctl.model.lease import replacements_owner
from qdrantctl.model.replacement import ReplacementRecord


def with_runs(
    replacements: Mapping[Address, ReplacementRecord], client: NodeClient, owner: str
) -> dict[Address, ReplacementRecord]:
    """The replacements of an owner with who carries them out at the moment. Raises ClusterError.

    Such a run has a lease of its own, so that an apply of other resources goes on meanwhile.
    """
    result = dict(replacements)
    under_way = [r for r in replacements.values() if r.owner == owner and not r.is_kept]
    if under_way and (holder := find_holder(client, replacements_owner(owner))):
        result |= {r.address: r.model_copy(update={"run_by": holder}) for r in under_way}
    return result


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
