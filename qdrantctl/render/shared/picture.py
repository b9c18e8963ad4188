"""The picture of what depends on what: boxes in columns, and a line for each reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qdrantctl.model.frozen import frozen
from qdrantctl.model.plan import Reference
from qdrantctl.render.shared.escape import escape_line

_COLUMNS = {"access_key": 0, "snapshot_policy": 1, "alias": 1, "collection": 2, "node": 3}
"""The column of each kind: what depends on another is to its left."""
_MOST_BOXES = 80
_MOST_LISTED = 500
_BOX_WIDTH, _BOX_HEIGHT = 230, 30
_COLUMN_STEP, _ROW_STEP, _MARGIN = 290, 42, 12
_LONGEST_LABEL = 28


@frozen
class PictureBox:
    """A resource or a node, by its upper left corner in pixels."""

    address: str
    label: str
    """Its sign and its address, cut where it is long."""
    tone: str
    """The tone of its change; empty if the plan does not change it."""
    anchor: str
    """The id of its entry on the page; empty without one."""
    x: int
    y: int


@frozen
class PictureLine:
    """A reference, from the right side of a box to the left side of another one."""

    reference: Reference
    curve: str
    """The path in SVG's notation."""


@frozen
class Picture:
    """Boxes and lines, in pixels."""

    width: int
    height: int
    boxes: tuple[PictureBox, ...]
    lines: tuple[PictureLine, ...]
    listed: tuple[Reference, ...]
    """The references as a list, for those who cannot see the picture."""
    omitted_boxes: int
    omitted_references: int


@frozen
class BoxLook:
    """How a changed resource is drawn."""

    sign: str
    tone: str
    anchor: str


def draw_picture(references: Sequence[Reference], looks: Mapping[str, BoxLook]) -> Picture | None:
    """The picture of references; None without any.

    `looks` has the changed resources, those that a reviewer must not miss first: they are drawn if
    not all fit.
    """
    if not references:
        return None
    addresses = _choose_boxes(references, looks)
    columns = _arrange_columns(addresses, references)
    boxes = {
        address: _make_box(address, column, row, looks)
        for column, names in columns.items()
        for row, address in enumerate(names)
    }
    drawn = [r for r in references if r.source in boxes and r.target in boxes]
    return Picture(
        width=max(columns) * _COLUMN_STEP + _BOX_WIDTH + 2 * _MARGIN,
        height=max(map(len, columns.values())) * _ROW_STEP + 2 * _MARGIN,
        boxes=tuple(boxes.values()),
        lines=tuple(PictureLine(r, _draw_curve(boxes[r.source], boxes[r.target])) for r in drawn),
        listed=tuple(references[:_MOST_LISTED]),
        omitted_boxes=len(_all_addresses(references)) - len(boxes),
        omitted_references=max(0, len(references) - _MOST_LISTED),
    )


def _all_addresses(references: Iterable[Reference]) -> dict[str, None]:
    """Every resource that is named, once."""
    return dict.fromkeys(a for r in references for a in (r.source, r.target))


def _choose_boxes(references: Sequence[Reference], looks: Mapping[str, BoxLook]) -> set[str]:
    """The resources that are drawn: each changed one with all its neighbours, while they fit."""
    neighbours: dict[str, set[str]] = {}
    for reference in references:
        neighbours.setdefault(reference.source, set()).add(reference.target)
        neighbours.setdefault(reference.target, set()).add(reference.source)
    chosen: set[str] = set()
    for address in (a for a in looks if a in neighbours):
        more = {address, *neighbours[address]} - chosen
        if len(chosen) + len(more) <= _MOST_BOXES:
            chosen |= more
        elif not chosen:  # more neighbours than fit
            return {address, *sorted(neighbours[address])[: _MOST_BOXES - 1]}
    return chosen


def _arrange_columns(
    addresses: Iterable[str], references: Iterable[Reference]
) -> dict[int, list[str]]:
    """The boxes of each column from top to bottom; from right to left, each beside its target."""
    columns: dict[int, list[str]] = {}
    for address in sorted(addresses):
        columns.setdefault(_COLUMNS[address.partition("/")[0]], []).append(address)
    first = min(columns)
    targets: dict[str, list[str]] = {}
    for reference in references:
        targets.setdefault(reference.source, []).append(reference.target)
    rows: dict[str, float] = {}
    for column in sorted(columns, reverse=True):
        columns[column].sort(
            key=lambda address: (_mean_row(targets.get(address, ()), rows), address)
        )
        rows |= {address: float(row) for row, address in enumerate(columns[column])}
    return {column - first: names for column, names in columns.items()}


def _mean_row(targets: Sequence[str], rows: Mapping[str, float]) -> float:
    known = [rows[target] for target in targets if target in rows]
    return sum(known) / len(known) if known else 0.0


def _make_box(address: str, column: int, row: int, looks: Mapping[str, BoxLook]) -> PictureBox:
    look = looks.get(address, BoxLook("", "", ""))
    label = escape_line(f"{look.sign} {address}".strip())
    if len(label) > _LONGEST_LABEL:
        label = f"{label[: _LONGEST_LABEL - 1]}…"
    x, y = _MARGIN + column * _COLUMN_STEP, _MARGIN + row * _ROW_STEP
    return PictureBox(address, label, look.tone, look.anchor, x, y)


def _draw_curve(source: PictureBox, target: PictureBox) -> str:
    start, end = source.x + _BOX_WIDTH, target.x
    middle = (start + end) // 2
    above, below = source.y + _BOX_HEIGHT // 2, target.y + _BOX_HEIGHT // 2
    return f"M{start} {above}C{middle} {above} {middle} {below} {end} {below}"
