"""Last-applied state from the committed state, for a cluster whose ledger was lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from qdrantctl.adapters.project import committed_state as state_files
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
    """The same state; without records of this owner the committed state replaces them.

    Only resources that exist on the cluster are used: for others the committed state cannot show
    whether they were ever applied. A ledger that exists must be the one of the recorded cluster.
    Raises SettingsError for state that cannot be read.
    """
    folder, owners = settings.state_folder, {settings.owner, *settings.previous_owners}
    has_records = any(
        entry.get("owner") in owners
        for address, entry in cluster_state.ledger.entries.items()
        if address.kind in BY_NAME
    )
    if folder is None or has_records or not (cluster_state.live and desired_state.committed):
        return cluster_state
    cluster_id = cluster_state.ledger.cluster_id
    if cluster_id and cluster_id != read_cluster_id(settings):
        return cluster_state
    shown = os.path.relpath(folder, settings.root)
    fallback = Inventory(
        replace(resource, record=replace(resource.record, committed=True))
        for resource in state_files.parse_resources(desired_state.committed, shown, settings.owner)
        if resource.record
        and resource.address.kind in BY_NAME
        and resource.address in cluster_state.live
        and resource.address not in cluster_state.remembered
    )
    if not fallback:
        return cluster_state
    remembered = Inventory([*cluster_state.remembered.values(), *fallback.values()])
    cluster_state = replace(cluster_state, remembered=remembered)
    detailed_state = with_details(
        client, cluster_state, desired_state.inventory, frozenset(fallback)
    )
    return replace(detailed_state, remembered=remembered)


def fallback_notice(settings: Settings, cluster_state: ClusterState) -> Iterator[Violation]:
    """A note that the committed state replaces lost ledger records."""
    if any(resource.is_from_state for resource in cluster_state.remembered.values()):
        yield Violation(
            rule="QC232",
            severity=Severity.NOTE,
            message=f"the ledger has no entry of {settings.owner}; resources that are in "
            "the committed state and on the cluster count as applied",
            hint="Apply rewrites the ledger.",
        )
