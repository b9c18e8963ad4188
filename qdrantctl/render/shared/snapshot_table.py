"""A table of snapshots, and notes on a restored collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from json import dumps

from qdrantctl.model.snapshots.snapshot import SnapshotListing, SnapshotRecord
from qdrantctl.render.shared.escape import escape_line

_CHECKSUM = 12
_STATES = {True: "listed", False: "missing", None: "not listed"}


def snapshot_table(snapshots: Iterable[SnapshotListing]) -> Iterator[str]:
    """A line for each file, with aligned columns."""
    rows = [("snapshot", "created", "bytes", "sha256", "node", "owner", "state")]
    rows += [
        (
            escape_line(
                f"{snapshot.address}@{snapshot.id}"
                if snapshot.id
                else f"{snapshot.address}  {snapshot.name}"
            ),
            escape_line(snapshot.created or _creation_time(snapshot.id)),
            f"{snapshot.size:,}",
            escape_line(snapshot.checksum[:_CHECKSUM]),
            escape_line(snapshot.node),
            escape_line(snapshot.owner),
            _STATES[snapshot.listed],
        )
        for snapshot in snapshots
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _creation_time(snapshot_id: str) -> str:
    """The time in the id of a snapshot, in the notation of servers; empty if the id is no time."""
    with suppress(ValueError):
        return datetime.strptime(snapshot_id, "%Y-%m-%d-%H-%M-%S").isoformat()
    return ""


def restored_notes(
    name: str, record: SnapshotRecord, aliases: Iterable[str], *, managed: bool
) -> Iterator[str]:
    """Notes on a collection that was restored from a snapshot.

    `aliases` pointed at it when the snapshot was taken, and do not now.
    """
    points = f"{record.points:,} point{'s' * (record.points != 1)}"
    comparison = (
        f"as many as {escape_line(record.collection)} had when {escape_line(record.id)} was taken"
    )
    yield f"{escape_line(name)} holds {points}, {comparison}."
    if managed:
        yield "Its ledger entry is the one of that time; a plan shows later changes."
    else:
        yield "It is unmanaged until a manifest declares it; `apply` will not delete it."
    for number, alias in enumerate(aliases):
        if not number:
            yield "These aliases pointed at it; --with-aliases or a manifest restores them:"
        manifest = {
            "apiVersion": "qdrantctl/v1",
            "kind": "Alias",
            "metadata": {"name": alias},
            "spec": {"collection": name},
        }
        yield f"  {escape_line(dumps(manifest, ensure_ascii=False))}"
