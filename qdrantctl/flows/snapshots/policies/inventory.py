"""The flow of `snapshots list`: sets at destinations, and files that the servers list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.project.snapshot_signing import SigningSource
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.stores.folder import is_missing_folder
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.listing import list_snapshot_files
from qdrantctl.flows.snapshots.policies.status import list_policy_sets
from qdrantctl.flows.snapshots.sets.catalog import files_of_no_set
from qdrantctl.flows.snapshots.sets.destination import list_cluster_sets, list_sets_at
from qdrantctl.model.address import Address
from qdrantctl.model.errors import StoreError
from qdrantctl.model.snapshots.reports import SnapshotInventory
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet


def list_destination(
    url: str, only: Address | None, signing: SigningSource | None
) -> SnapshotInventory:
    """The sets at one destination, of every owner. No server is needed.

    Raises QdrantctlError, also for a folder that does not exist: it may not be mounted.
    """
    if is_missing_folder(url):
        raise StoreError(
            f"{url}: there is no such folder",
            hint="Is the path right, and is the disk mounted?",
        )
    inventory = SnapshotInventory(tuple(list_sets_at(url, signing)), (), (), (), datetime.now(UTC))
    return replace(inventory, sets=_sets_of(inventory.sets, only))


def list_sets_on_servers(
    settings: Settings, client: RestClient, job: JobContext, only: Address | None
) -> SnapshotInventory:
    """The sets of this owner's policies on the servers. Raises ClusterError."""
    sets = tuple(list_cluster_sets(settings, job))
    return SnapshotInventory(_sets_of(sets, only), (), (), (), client.server_time)


def list_snapshots(
    settings: Settings, client: RestClient, job: JobContext, only: Address | None
) -> SnapshotInventory:
    """All sets and snapshot files, or those of one collection. Raises ClusterError."""
    files, unread = list_snapshot_files(client, settings.nodes, only)
    sets, unreachable = list_policy_sets(settings, job)
    sets = _sets_of(sets, only)
    others = files_of_no_set(files, sets)
    return SnapshotInventory(sets, files, others, unread, client.server_time, unreachable)


def _sets_of(sets: tuple[SnapshotSet, ...], only: Address | None) -> tuple[SnapshotSet, ...]:
    """The sets of one collection, or all of them."""
    if only is None:
        return sets
    return tuple(s for s in sets if s.info.collection == only.name)
