"""What commands on snapshots have to report, as values for renderers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qdrantctl.model.snapshots.snapshot import SnapshotListing, SnapshotRecord
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, VerificationResult


@dataclass(frozen=True, slots=True)
class SnapshotInventory:
    """All that can be restored."""

    sets: tuple[SnapshotSet, ...]
    """Sets at destinations."""
    files: tuple[SnapshotListing, ...]
    """Snapshot files that the ledger or the servers list, those of the sets included."""
    others: tuple[SnapshotListing, ...]
    """Those of the files that belong to none of the sets."""
    unread: tuple[str, ...]
    """What could not be read, a sentence each."""
    now: datetime


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What `snapshots prune` removes."""

    removed: tuple[SnapshotSet, ...]
    left: tuple[SnapshotSet, ...]
    """Sets that are removed only by name."""
    now: datetime
    dry_run: bool = False
    """Whether nothing was removed yet."""
    notices: tuple[str, ...] = ()
    """Why nothing is removed by its age, for each destination where the clocks disagree."""


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """Sets that were restored to see whether they can be."""

    verified: tuple[tuple[SnapshotSet, VerificationResult], ...] = ()
    untried: tuple[str, ...] = ()
    """What could not be tried, a sentence each."""

    @property
    def is_good(self) -> bool:
        """Whether every set was tried and is good."""
        return all(result.good for _, result in self.verified) and not self.untried


@dataclass(frozen=True, slots=True)
class RestoredCollection:
    """A snapshot that is a collection again."""

    name: str
    snapshot: SnapshotRecord
    aliases_left: tuple[str, ...]
    """Aliases of the old collection that were not put at the new one."""
    managed: bool
    """Whether the ledger has the new collection as one of the project's."""
