"""Sets at destinations as lines."""

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
"""What is said of a set that is not known to be of the cluster that was asked."""


def set_table(sets: Iterable[SnapshotSet], now: datetime) -> Iterator[str]:
    """A line for each set, its columns under each other, the sum, and what is no set and why.

    Clusters are named where not every set is known to be of the one that was asked.
    """
    found = list(sets)
    has_strangers = any(each.any_manifest and each.origin != "own" for each in found)
    rows = [_SET_HEAD, *(_set_row(each, now) for each in found)]
    if has_strangers:
        clusters = ["cluster", *map(_cluster_cell, found)]
        rows = [(*row[:2], cluster, *row[2:]) for row, cluster in zip(rows, clusters, strict=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield f"{len(found)} set{'s' * (len(found) != 1)}, {sum(s.size for s in found):,} bytes"
    for each in found:
        if each.problem:
            yield f"{escape_line(each.folder)}: {escape_line(each.problem)}"


def _cluster_cell(snapshot_set: SnapshotSet) -> str:
    manifest = snapshot_set.any_manifest
    if manifest is None:
        return ""
    return manifest.cluster or "unknown"


def _set_row(snapshot_set: SnapshotSet, now: datetime) -> tuple[str, ...]:
    about, tried = snapshot_set.any_manifest, snapshot_set.verified
    whole = snapshot_set.state == "complete"
    origin = _ORIGINS.get(snapshot_set.origin or "", "")
    return (
        escape_line(f"{about.address}@{about.id}" if whole and about
              else snapshot_set.folder),
        escape_line(about.owner) if about else "",
        f"{about.taken:%Y-%m-%d %H:%M}" if about else "",
        format_age(now - about.taken) if about else "",
        f"{snapshot_set.size:,}",
        f"{snapshot_set.state}, {origin}" if origin else snapshot_set.state,
        escape_line(", ".join(snapshot_set.kept_by)),
        (f"{tried.when:%Y-%m-%d}" if tried.good else "failed") if tried else "",
        escape_line(snapshot_set.destination),
    )  # fmt: skip


def format_age(length: timedelta) -> str:
    """`3 d`, `5 h` or `7 min`."""
    minutes = int(length.total_seconds()) // 60
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} d"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
