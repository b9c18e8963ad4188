"""Opens the destination that a command names, and lists the sets there and on the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qdrantctl.adapters.project.snapshot_signing import SigningSource, fetch_signing_keys
from qdrantctl.adapters.stores.store import open_store
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.sets.catalog import Destination, list_sets
from qdrantctl.flows.snapshots.sets.cluster_store import cluster_stores
from qdrantctl.model.errors import UsageError
from qdrantctl.model.snapshots.destination import unusable_destination_reason
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings


def open_destination(url: str, signing: SigningSource | None) -> Destination:
    """A destination that was named on the command line. Raises QdrantctlError."""
    if reason := unusable_destination_reason(url):
        raise UsageError(f"--from: {reason}", hint="As in --from s3://backups/qdrant.")
    return Destination(open_store(url.rstrip("/")), fetch_signing_keys(signing))


def list_sets_at(url: str, signing: SigningSource | None) -> Iterator[SnapshotSet]:
    """Every set at a destination, of every owner. Raises QdrantctlError."""
    yield from list_sets(open_destination(url, signing))


def list_cluster_sets(settings: Settings, job: JobContext) -> Iterator[SnapshotSet]:
    """Every set on the servers of this owner's policies, applied or not.

    Raises QdrantctlError.
    """
    for destination in cluster_destinations(settings, job):
        yield from list_sets(destination)


def cluster_destinations(settings: Settings, job: JobContext) -> list[Destination]:
    """One for each policy of this owner that has left sets on the servers. Raises ClusterError."""
    keys = fetch_signing_keys(settings.signing)
    return [Destination(store, keys) for store in cluster_stores(settings, job)]
