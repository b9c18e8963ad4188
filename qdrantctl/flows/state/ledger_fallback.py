"""What was applied, from the committed state: for a cluster whose ledger is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from qdrantctl.adapters.project import committed_state as edge
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.state.committed import read_cluster_id
from qdrantctl.flows.state.desired import DesiredState
from qdrantctl.flows.state.live import ClusterState, with_details
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.client import Client
from qdrantctl.model.resource import Inventory
from qdrantctl.model.violation import Severity, Violation


def with_committed_state_as_fallback(
    settings: Settings, client: Client, desired_state: DesiredState, cluster_state: ClusterState
) -> ClusterState:
    """The same state; without records of this owner the committed state stands in for them.

    Of a resource that is not there the state alone cannot tell whether it ever was, so only what
    is on the cluster counts. A ledger that is there must be the one of the recorded cluster: the
    state of another cluster says nothing. Raises SettingsError for state that cannot be read.
    """
    folder, owners = settings.state_folder, {settings.owner, *settings.previous_owners}
    known = any(entry.get("owner") in owners for entry in cluster_state.ledger.entries.values())
    if folder is None or known or not (cluster_state.live and desired_state.committed):
        return cluster_state
    cluster_id = cluster_state.ledger.cluster_id
    if cluster_id and cluster_id != read_cluster_id(settings):
        return cluster_state
    shown = os.path.relpath(folder, settings.root)
    ours = Inventory(
        replace(resource, record=replace(resource.record, committed=True))
        for resource in edge.parse_resources(desired_state.committed, shown, settings.owner)
        if resource.record
        and resource.address.kind in BY_NAME
        and resource.address in cluster_state.live
        and resource.address not in cluster_state.remembered
    )
    if not ours:
        return cluster_state
    remembered = Inventory([*cluster_state.remembered.values(), *ours.values()])
    cluster_state = replace(cluster_state, remembered=remembered)
    again = with_details(client, cluster_state, desired_state.inventory, frozenset(ours))
    return replace(again, remembered=remembered)


def fallback_notice(settings: Settings, cluster_state: ClusterState) -> Iterator[Violation]:
    """That the committed state stands in for the ledger."""
    if any(known.is_from_state for known in cluster_state.remembered.values()):
        yield Violation(
            rule="QC232",
            severity=Severity.NOTE,
            message=f"the ledger knows nothing of {settings.owner}; what the committed state says "
            "counts as applied where the cluster has it",
            hint="Apply rewrites the ledger.",
        )
