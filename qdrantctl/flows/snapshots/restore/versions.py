"""Whether a server can read a snapshot, from the version and the settings that it records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from qdrantctl.kinds.collection.checks import find_refused_names
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.version_changes import WITHOUT_ROCKSDB
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.server import Server, Version
from qdrantctl.model.snapshots.snapshot import SnapshotRecord
from qdrantctl.model.spec import field_tree_of, format_field

_OLDEST = Version(1, 16, 0)
"""From here on snapshots are read by other minor versions (seen: 1.16.3 and 1.19.0, both ways)."""


class Obstacle(NamedTuple):
    """Why a server cannot restore a snapshot."""

    problem: str
    """What follows the name of the server: `refuses the vector name 'a/b'`."""
    why: str
    hint: str


def require_readable(record: SnapshotRecord, what: str, server: Server) -> None:
    """Raises QdrantctlError if `server` cannot have what a snapshot holds; `what` names it.

    Asked before anything is destroyed: a server may end half way in such a recovery.
    """
    for problem, why, hint in find_obstacles(record, server):
        taken = f"{what} was taken on Qdrant {record.server}"
        raise QdrantctlError(f"{taken}, and {server.url} {problem}", why=why, hint=hint)


def find_obstacles(record: SnapshotRecord, server: Server) -> Iterator[Obstacle]:
    """Why a server cannot restore a snapshot; nothing if it can."""
    then = Version.parse(record.server)
    if then[:2] != server.version[:2] and min(then, server.version) < _OLDEST:
        yield Obstacle(
            f"is {server.version}",
            "A snapshot can only be restored on a server of the same minor version, or by other "
            "versions from 1.16 on.",
            f"Restore on a server of version {then.major}.{then.minor}, then upgrade it.",
        )
    needed = field_tree_of(COLLECTION.spec).first_versions(record.spec)
    unknown = {path: first for path, first in needed.items() if first > server.version}
    if unknown:
        yield Obstacle(
            f"does not know {', '.join(map(format_field, unknown))}",
            f"Of its nodes the oldest is {server.version}."
            if server.is_mixed
            else f"It is {server.version}.",
            f"Restore on a server of version {max(unknown.values())} or newer.",
        )
    for name, _ in find_refused_names(record.spec, server.newest_version):
        yield Obstacle(
            f"refuses {name}",
            f"It is {server.newest_version}, and refuses the snapshot as it refuses such a "
            "creation.",
            "Restore on a server before 1.18, and copy the points to a collection with other "
            "names there.",
        )


def describe_origin_version(record: SnapshotRecord, server: Server) -> str:
    """What to know of a snapshot from another minor version; empty if it is of the same one."""
    then = Version.parse(record.server)
    if then[:2] == server.version[:2]:
        return ""
    text = f"; taken on Qdrant {then}"
    if then < WITHOUT_ROCKSDB <= server.newest_version:
        text += ": segments that an older server left in RocksDB are not read from 1.18 on"
    return text
