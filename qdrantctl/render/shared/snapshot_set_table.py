"""A table of snapshot sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.render.shared.escape import escape_line

_SET_HEAD = ("set", "owner", "taken", "age", "bytes", "state", "kept by", "verified", "at")
_ORIGINS = {
    "other": "other cluster",
    "unrecorded": "not in the ledger",
    "unknown": "unknown cluster",
}
"""For sets that are not known to be of the cluster whose ledger was read."""


def set_table(sets: Iterable[SnapshotSet], now: datetime) -> Iterator[str]:
    """A line for each set with aligned columns, a line with the totals, and the problems.

    The column of clusters is left out if every set is of the cluster whose ledger was read.
    """
    all_sets = list(sets)
    size = sum(snapshot_set.size for snapshot_set in all_sets)
    rows = [_SET_HEAD, *(_set_row(snapshot_set, now) for snapshot_set in all_sets)]
    if any(each.any_manifest and each.origin != "own" for each in all_sets):
        clusters = ["cluster", *map(_cluster_cell, all_sets)]
        rows = [(*row[:2], cluster, *row[2:]) for row, cluster in zip(rows, clusters, strict=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield f"{len(all_sets)} set{'s' * (len(all_sets) != 1)}, {size:,} bytes"
    for snapshot_set in all_sets:
        if snapshot_set.problem:
            yield f"{escape_line(snapshot_set.folder)}: {escape_line(snapshot_set.problem)}"


def _cluster_cell(snapshot_set: SnapshotSet) -> str:
    manifest = snapshot_set.any_manifest
    return (manifest.cluster or "unknown") if manifest else ""


def _set_row(snapshot_set: SnapshotSet, now: datetime) -> tuple[str, ...]:
    manifest = snapshot_set.any_manifest
    is_complete = snapshot_set.state == "complete"
    origin = _ORIGINS.get(snapshot_set.origin or "", "")
    return (
        escape_line(f"{manifest.address}@{manifest.id}" if is_complete and manifest
              else snapshot_set.folder),
        escape_line(manifest.owner) if manifest else "",
        f"{manifest.taken:%Y-%m-%d %H:%M}" if manifest else "",
        format_age(now - manifest.taken) if manifest else "",
        f"{snapshot_set.size:,}",
        f"{snapshot_set.state}, {origin}" if origin else snapshot_set.state,
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
