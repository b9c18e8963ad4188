"""Opens the destination that a command names, and lists the sets there and on the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qdrantctl.adapters.stores.store import Store, open_store
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.sets.catalog import list_sets
from qdrantctl.flows.snapshots.sets.cluster_store import cluster_stores
from qdrantctl.model.errors import UsageError
from qdrantctl.model.snapshots.destination import unusable_destination_reason
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings


def open_destination(url: str) -> Store:
    """A destination that was named on the command line. Raises UsageError, StoreError."""
    if reason := unusable_destination_reason(url):
        raise UsageError(f"--from: {reason}", hint="As in --from s3://backups/qdrant.")
    return open_store(url.rstrip("/"))


def list_sets_at(url: str) -> Iterator[SnapshotSet]:
    """Every set at a destination, of every owner. Raises QdrantctlError."""
    yield from list_sets(open_destination(url))


def list_cluster_sets(settings: Settings, job: JobContext) -> Iterator[SnapshotSet]:
    """Every set on the servers of this owner's policies, applied or not.

    Raises QdrantctlError.
    """
    for store in cluster_stores(settings, job):
        yield from list_sets(store)
