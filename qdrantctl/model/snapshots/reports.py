"""The reports of the `snapshots` commands, as values for renderers."""

from __future__ import annotations

from datetime import datetime

from qdrantctl.model.frozen import frozen
from qdrantctl.model.snapshots.snapshot import SnapshotListing, SnapshotRecord
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, VerificationResult


@frozen
class SnapshotInventory:
    """The snapshots and sets that can be restored."""

    sets: tuple[SnapshotSet, ...]
    """Sets at destinations."""
    files: tuple[SnapshotListing, ...]
    """Snapshot files that the ledger or the servers list, those of the sets included."""
    others: tuple[SnapshotListing, ...]
    """The files that belong to none of the sets."""
    unread: tuple[str, ...]
    """A sentence for each entry of the ledger that could not be read."""
    now: datetime
    unreachable: tuple[str, ...] = ()
    """A sentence for each destination that could not be read; its sets are missing."""


@frozen
class RemovalReport:
    """The sets that `snapshots prune` removes."""

    removed: tuple[SnapshotSet, ...]
    left: tuple[SnapshotSet, ...]
    """Sets that are removed only if named."""
    now: datetime
    dry_run: bool = False
    """Whether the sets were only listed and not removed."""
    notices: tuple[str, ...] = ()
    """Why expired sets are kept, for each destination for which the clocks disagree."""


@frozen
class VerificationReport:
    """Sets that were restored as a test."""

    verified: tuple[tuple[SnapshotSet, VerificationResult], ...] = ()
    untried: tuple[str, ...] = ()
    """A sentence for each set that could not be tested."""

    @property
    def is_good(self) -> bool:
        """Whether every set was tested and is good."""
        return all(result.good for _, result in self.verified) and not self.untried


@frozen
class RestoredCollection:
    """A collection restored from a snapshot."""

    name: str
    snapshot: SnapshotRecord
    aliases_left: tuple[str, ...]
    """Aliases of the old collection that do not point to the new one."""
    managed: bool
    """Whether the new collection has a ledger entry of the project."""
