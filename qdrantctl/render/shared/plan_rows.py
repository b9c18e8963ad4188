"""A change as a sign, a heading and a row for each field, shared by text and markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from qdrantctl.model.change import (
    Action,
    Cause,
    Change,
    FieldChange,
    ReplacementForecast,
    worst_effect,
)
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Origin
from qdrantctl.model.snapshots.snapshot import restore_command
from qdrantctl.model.step import Snapshot, TakeSet
from qdrantctl.render.shared.ansi import Paint, paint_plain
from qdrantctl.render.shared.escape import escape_line, format_path, format_value

PLAN_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.ADOPT: ">",
    Action.FORGET: ".",
    Action.RUN: "*",
    Action.NOOP: " ",
    Action.REFUSED: "!",
}

_HEADINGS = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in-place",
    Action.REPLACE: "must be replaced",
    Action.DELETE: "will be destroyed",
    Action.FORGET: "will no longer be managed, and will not be destroyed",
    Action.RUN: "is due and will be run",
    Action.NOOP: "stays as it is",
    Action.REFUSED: "is refused: it cannot be done",
}

_EXTERNAL_CHANGE = "changed outside qdrantctl"
_MAX_CELL_WIDTH = 48
"""Longer cells do not widen their column."""


@frozen
class FieldRow:
    """One field of a change: its values, the reasons, and the place that declares it."""

    sign: str
    path: str
    change: str
    """`: 16 -> 32`, or `= 32` for a field without a previous value."""
    notes: tuple[str, ...]
    place: str


def change_sign(change: Change) -> str:
    """The sign of a change. `+/-` is a replacement that creates first, and keeps the old one."""
    if change.retires:
        return PLAN_SIGNS[Action.DELETE]
    return "+/-" if _is_beside(change) else PLAN_SIGNS[change.action]


def _is_beside(change: Change) -> bool:
    return change.action is Action.REPLACE and change.replacement is not ABSENT


def change_heading(change: Change) -> str:
    """What apply will do to a resource, printed after its address."""
    if _is_beside(change):
        is_back = (
            isinstance(change.replacement, ReplacementForecast) and change.replacement.rollback
        )
        verb = "rolled back" if is_back else "replaced"
        return f"will be {verb} without downtime"
    if change.retires:
        return "stays, and the collection it replaced will be destroyed"
    if change.action is not Action.ADOPT:
        return _HEADINGS[change.action]
    if change.steps:
        return "will be adopted and changed"
    return "will be adopted: only the ledger is written"


def change_reason(change: Change) -> str:
    """The reason, unless a field of the change gives the same; empty without one."""
    is_repeated = any(f.because and change.because.endswith(f.because) for f in change.fields)
    return "" if is_repeated else escape_line(change.because)


def snapshot_note(change: Change, environment: str) -> str:
    """Where snapshots are stored, or that one is taken before points are destroyed; or empty."""
    snapshots = [step.snapshot for step in change.steps]
    if sets := [snapshot for snapshot in snapshots if isinstance(snapshot, TakeSet)]:
        destinations = dict.fromkeys(url for snapshot in sets for url in snapshot.to)
        return f"to {escape_line(', '.join(destinations))}"
    if not any(isinstance(snapshot, Snapshot) for snapshot in snapshots):
        return ""
    restore = escape_line(restore_command(change.address, environment=environment))
    return f"a snapshot is taken first; restore with: {restore}"


HEAVY_WORDS = (
    "destroyed",
    "destroyed and created again",
    "refused",
    "replaced without downtime",
    "re-indexed",
)
"""What a reviewer must not miss, the heaviest first."""


def heavy_word(change: Change) -> str:
    """What a change does that a reviewer must not miss; empty for others."""
    if change.action is Action.DELETE or change.retires:
        return HEAVY_WORDS[0]
    if change.action is Action.REFUSED:
        return HEAVY_WORDS[2]
    if change.action is Action.REPLACE:
        return HEAVY_WORDS[3] if _is_beside(change) else HEAVY_WORDS[1]
    return HEAVY_WORDS[4] if worst_effect(change.fields) is Effect.REBUILD else ""


_LIGHT_WORDS = {
    Action.UPDATE: "updated",
    Action.ADOPT: "adopted",
    Action.CREATE: "created",
    Action.FORGET: "forgotten",
    Action.RUN: "run",
}


def effect_word(change: Change) -> str:
    """What a change does, in one of the heavy words or a light one. Not for a noop."""
    return heavy_word(change) or _LIGHT_WORDS[change.counted_as]


def worst_note(changes: Iterable[Change]) -> str:
    """`Worst effect: destroyed.`; empty without changes."""
    found = {effect_word(change) for change in changes}
    for word in (*HEAVY_WORDS, *_LIGHT_WORDS.values()):
        if word in found:
            return f"Worst effect: {word}."
    return ""


def measure_change(change: Change) -> tuple[int | None, int | None]:
    """Points and bytes on disk that a change concerns; None where they are unknown."""
    points, size = change.points, change.disk_bytes
    if isinstance(change.replacement, ReplacementForecast):
        points, size = change.replacement.points, change.replacement.disk_bytes
    return (
        points if isinstance(points, int) else None,
        size if isinstance(size, int) else None,
    )


def sum_rebuilds(changes: Iterable[Change]) -> str:
    """How much the server rewrites to re-index; empty where it does not, or where it is unknown."""
    sizes = [change.disk_bytes for change in changes if isinstance(change.disk_bytes, int)]
    if not sizes:
        return ""
    return f"re-indexing reads and rewrites up to {sum(sizes):,} bytes, in each replica"


def origin_text(origin: object) -> str:
    """`file:line`; empty for a value without a place."""
    return escape_line(str(origin)) if isinstance(origin, Origin) else ""


def change_rows(change: Change) -> tuple[FieldRow, ...]:
    """The fields of a change, in their order."""
    return tuple(
        _field_row(field, change.action) for field in change.fields if field.effect > Effect.SAME
    )


def align_rows(rows: Sequence[FieldRow], paint: Paint = paint_plain, width: int = 0) -> list[str]:
    """Rows as lines with aligned columns; notes that do not fit a width are on their own line."""
    cells = [
        (
            (row.sign, row.sign),
            (row.path, "strong"),
            (row.change, ""),
            ("  # " + "; ".join(row.notes) if row.notes else "", "faint"),
            ("  " + row.place if row.place else "", "faint"),
        )
        for row in rows
    ]
    widths = [
        max((len(text) for text, _ in column if len(text) <= _MAX_CELL_WIDTH), default=0)
        for column in zip(*cells, strict=True)
    ]
    lines: list[str] = []
    for line in cells:
        is_long = width > 0 and len(_join_cells(line, widths, paint_plain)) > width
        lines.append(_join_cells(line[:3] if is_long else line, widths, paint))
        if is_long:
            rest = "  ".join(text.strip() for text, _ in line[3:] if text)
            lines += (
                paint(f"    {part}", "faint")
                for part in wrap(rest, max(width - 4, 20), break_on_hyphens=False)
            )
    return lines


def _join_cells(cells: Sequence[tuple[str, str]], widths: Sequence[int], paint: Paint) -> str:
    """A line of a table; no blanks follow its last cell."""
    line, gap = "", ""
    for (text, tone), width in zip(cells, widths, strict=False):
        if text:
            line += gap + paint(text, tone)
            gap = ""
        # The gap is written only if another cell follows.
        gap += " " * (max(width - len(text), 0) + bool(width or text))
    return line


def _field_row(field: FieldChange, action: Action) -> FieldRow:
    before, after = format_value(field.live, field.path), format_value(field.desired, field.path)
    notes = _field_notes(field, action)
    if after == "unlimited" and notes and notes[0].startswith(after):
        after, *notes = notes
    if field.effect is Effect.KEPT:
        sign, change = " ", f": stays {before}"
    elif field.live is ABSENT:
        sign, change = "+", f"= {after}"
    else:
        sign, change = "-" if field.desired is ABSENT else "~", f": {before} -> {after}"
    sign = "!" if field.effect is Effect.REFUSED else sign
    return FieldRow(sign, format_path(field.path), change, tuple(notes), origin_text(field.origin))


def _field_notes(field: FieldChange, action: Action) -> list[str]:
    because = escape_line(field.because)
    if field.effect is Effect.REPLACE:
        because = f"forces replacement: {because}" if because else "forces replacement"
    elif field.effect is Effect.REBUILD and action is not Action.REPLACE:
        because = because or "re-indexes"
    notes = [because] if because else []
    if isinstance(field.direction, str) and field.effect in (Effect.UPDATE, Effect.REBUILD):
        notes.append(field.direction)
    if field.cause in (Cause.DRIFT, Cause.BOTH):
        previous = f"was {format_value(field.recorded, field.path)}"
        notes.append(
            previous if because.startswith(_EXTERNAL_CHANGE) else f"{_EXTERNAL_CHANGE}: {previous}"
        )
    return notes
