"""Snapshots as lines: what there is, and what to do once one is a collection again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from json import dumps

from qdrantctl.model.snapshots.snapshot import Listed, Taken
from qdrantctl.render.shared.escape import clean

_CHECKSUM = 12
_STATES = {True: "listed", False: "no longer there", None: "not listed"}


def table(found: Iterable[Listed]) -> Iterator[str]:
    """A line for each file, its columns under each other."""
    rows = [("snapshot", "created", "bytes", "sha256", "node", "owner", "state")]
    rows += [
        (
            clean(f"{each.address}@{each.id}" if each.id else f"{each.address}  {each.name}"),
            clean(each.created or _created(each.id)),
            f"{each.size:,}",
            clean(each.checksum[:_CHECKSUM]),
            clean(each.node),
            clean(each.owner),
            _STATES[each.listed],
        )
        for each in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _created(mark: str) -> str:
    """The time that is the id of a snapshot, as servers tell of it; of any other nothing."""
    with suppress(ValueError):
        return datetime.strptime(mark, "%Y-%m-%d-%H-%M-%S").isoformat()
    return ""


def restored(name: str, taken: Taken, left: Iterable[str], *, managed: bool) -> Iterator[str]:
    """What is to be known of a collection that was made of a snapshot.

    `left` are aliases that stood for it then and do not now.
    """
    points = f"{taken.points:,} point{'s' * (taken.points != 1)}"
    had = f"as many as {clean(taken.collection)} had when {clean(taken.id)} was taken"
    yield f"{clean(name)} holds {points}, {had}."
    if managed:
        yield "It is recorded as what was applied then; a plan shows what has come since."
    else:
        yield "Nobody manages it until a manifest states it; no apply deletes it meanwhile."
    for number, alias in enumerate(left):
        if not number:
            yield "These aliases stood for it; --with-aliases or a manifest puts them back:"
        manifest = {
            "apiVersion": "qdrantctl/v1",
            "kind": "Alias",
            "metadata": {"name": alias},
            "spec": {"collection": name},
        }
        yield f"  {clean(dumps(manifest, ensure_ascii=False))}"
