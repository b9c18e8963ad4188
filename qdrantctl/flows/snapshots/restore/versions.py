"""Whether a server can read a snapshot, from the version and the settings that it records."""

from __future__ import annotations

from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.checks import find_refused_names
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.server import Server, Version
from qdrantctl.model.snapshots.snapshot import SnapshotRecord
from qdrantctl.model.spec import field_tree_of, format_field

_OLDEST = Version(1, 16, 0)
"""From here on snapshots are read by other minor versions (seen: 1.16.3 and 1.19.0, both ways)."""
_WITHOUT_ROCKSDB = Version(1, 18, 0)


def require_readable(record: SnapshotRecord, what: str, server: Server) -> None:
    """Raises QdrantctlError if `server` cannot have what a snapshot holds; `what` names it.

    Asked before anything is destroyed: a server may end half way in such a recovery.
    """
    then = Version.parse(record.server)
    taken = f"{what} was taken on Qdrant {then}"
    if then[:2] != server.version[:2] and min(then, server.version) < _OLDEST:
        raise QdrantctlError(
            f"{taken}, {server.url} is {server.version}",
            why="A snapshot can only be restored on a server of the same minor version, or by "
            "other versions from 1.16 on.",
            hint=f"Restore on a server of version {then.major}.{then.minor}, then upgrade it.",
        )
    needed = field_tree_of(BY_NAME["collection"].spec).first_versions(record.spec)
    unknown = {path: first for path, first in needed.items() if first > server.version}
    if unknown:
        raise QdrantctlError(
            f"{taken}, and {server.url} does not know {', '.join(map(format_field, unknown))}",
            why=f"Of its nodes the oldest is {server.version}."
            if server.is_mixed
            else f"It is {server.version}.",
            hint=f"Restore on a server of version {max(unknown.values())} or newer.",
        )
    for name, _ in find_refused_names(record.spec, server.newest_version):
        raise QdrantctlError(
            f"{taken}, and {server.url} ({server.newest_version}) refuses {name}",
            why="It refuses the snapshot as it refuses such a creation.",
            hint="Restore on a server before 1.18, and copy the points to a collection with other "
            "names there.",
        )


def describe_origin_version(record: SnapshotRecord, server: Server) -> str:
    """What to know of a snapshot from another minor version; empty if it is of the same one."""
    then = Version.parse(record.server)
    if then[:2] == server.version[:2]:
        return ""
    text = f"; taken on Qdrant {then}"
    if then < _WITHOUT_ROCKSDB <= server.newest_version:
        text += ": segments that an older server left in RocksDB are not read from 1.18 on"
    return text
