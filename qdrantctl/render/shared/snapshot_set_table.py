"""Sets at destinations as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.render.shared.escape import clean

_HEAD = ("set", "owner", "taken", "age", "bytes", "state", "kept by", "verified", "at")


def table(sets: Iterable[SnapshotSet], now: datetime) -> Iterator[str]:
    """A line for each set, its columns under each other, and the sum."""
    found = list(sets)
    rows = [_HEAD, *(_row(each, now) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield f"{len(found)} set{'s' * (len(found) != 1)}, {sum(s.size for s in found):,} bytes"


def _row(each: SnapshotSet, now: datetime) -> tuple[str, ...]:
    about, tried = each.any_manifest, each.verified
    whole = each.state == "complete"
    return (
        clean(f"{about.address}@{about.id}" if whole and about
              else each.folder),
        clean(about.owner) if about else "",
        f"{about.taken:%Y-%m-%d %H:%M}" if about else "",
        age(now - about.taken) if about else "",
        f"{each.size:,}",
        each.state,
        clean(", ".join(each.kept_by)),
        (f"{tried.when:%Y-%m-%d}" if tried.good else "failed") if tried else "",
        clean(each.destination),
    )  # fmt: skip


def age(length: timedelta) -> str:
    """`3 d`, `5 h` or `7 min`."""
    minutes = int(length.total_seconds()) // 60
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} d"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
