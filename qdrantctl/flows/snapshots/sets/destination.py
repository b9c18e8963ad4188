"""Opens the destination that a command names, and lists the sets there and on the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qdrantctl.adapters.stores.store import Store, opened
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.snapshots.sets.catalog import found
from qdrantctl.flows.snapshots.sets.cluster_store import stores
from qdrantctl.model.errors import UsageError
from qdrantctl.model.snapshots.destination import unusable
from qdrantctl.model.snapshots.snapshot_set import Set

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings


def elsewhere(url: str) -> Store:
    """A destination that was named on the command line. Raises UsageError, StoreError."""
    if reason := unusable(url):
        raise UsageError(f"--from: {reason}", hint="As in --from s3://backups/qdrant.")
    return opened(url.rstrip("/"))


def read(url: str) -> Iterator[Set]:
    """Every set at a destination, whoever put it there. Raises QdrantctlError."""
    yield from found(elsewhere(url))


def on_servers(settings: Settings, work: Work) -> Iterator[Set]:
    """Every set that this owner's policies left on the servers, applied still or not.

    Raises QdrantctlError.
    """
    for store in stores(settings, work):
        yield from found(store)
