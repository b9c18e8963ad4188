"""The input of an upgrade check: two servers, the states, and the table of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from qdrantctl.model.change import Change
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Server, Version
from qdrantctl.model.snapshots.snapshot import SnapshotRecord
from qdrantctl.model.upgrade import VersionChange


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot of a collection, and where it is."""

    place: str
    """A destination; empty for the servers themselves."""
    record: SnapshotRecord
    obstacles: tuple[tuple[str, str], ...] = ()
    """Why the target does not restore it, as `refuses …`, each with what to do."""

    @property
    def name(self) -> str:
        """`collection/products@20261125T030000Z`, with its destination if it has one."""
        at = f" at {self.place}" if self.place else ""
        return f"collection/{self.record.collection}@{self.record.id}{at}"


@dataclass(frozen=True, slots=True)
class VersionTable:
    """What is known of versions: `kinds/version_changes.py`."""

    changes: Sequence[VersionChange]
    newest_patches: Mapping[tuple[int, int], Version]
    converts_rocksdb: Version
    without_rocksdb: Version


@dataclass(frozen=True, slots=True)
class UpgradeInput:
    """Everything that the findings about an upgrade are computed from."""

    current: Server
    target: Server
    desired: Inventory
    live: Inventory
    recorded: Inventory
    snapshots: tuple[StoredSnapshot, ...]
    plan_for: Callable[[Server], Iterable[Change]]
    """The changes that a plan would make on a server."""
    kinds: Mapping[str, Kind]
    table: VersionTable
    today: date
    unread: tuple[str, ...] = ()
    """Why some snapshots could not be read."""

    def is_crossed(self, since: str) -> bool:
        """Whether the upgrade brings a change of the version `since`."""
        return self.current.version < Version.parse(since) <= self.target.version
