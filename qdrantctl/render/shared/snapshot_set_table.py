"""A table of snapshot sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.render.shared.escape import escape_line

_SET_HEAD = ("set", "owner", "taken", "age", "bytes", "state", "kept by", "verified", "at")


def set_table(sets: Iterable[SnapshotSet], now: datetime) -> Iterator[str]:
    """A line for each set with aligned columns, and a line with the totals."""
    all_sets = list(sets)
    size = sum(snapshot_set.size for snapshot_set in all_sets)
    rows = [_SET_HEAD, *(_set_row(snapshot_set, now) for snapshot_set in all_sets)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_SET_HEAD))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield f"{len(all_sets)} set{'s' * (len(all_sets) != 1)}, {size:,} bytes"


def _set_row(snapshot_set: SnapshotSet, now: datetime) -> tuple[str, ...]:
    manifest = snapshot_set.any_manifest
    is_complete = snapshot_set.state == "complete"
    return (
        escape_line(f"{manifest.address}@{manifest.id}" if is_complete and manifest
              else snapshot_set.folder),
        escape_line(manifest.owner) if manifest else "",
        f"{manifest.taken:%Y-%m-%d %H:%M}" if manifest else "",
        format_age(now - manifest.taken) if manifest else "",
        f"{snapshot_set.size:,}",
        snapshot_set.state,
        escape_line(", ".join(snapshot_set.kept_by)),
        _verification_cell(snapshot_set),
        escape_line(snapshot_set.destination),
    )  # fmt: skip


def _verification_cell(snapshot_set: SnapshotSet) -> str:
    """The date of a good verification; empty for a set that was not verified."""
    verification = snapshot_set.verified
    if not verification:
        return ""
    return f"{verification.when:%Y-%m-%d}" if verification.good else "failed"


def format_age(length: timedelta) -> str:
    """`3 d`, `5 h` or `7 min`."""
    minutes = int(length.total_seconds()) // 60
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} d"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
