"""A resource's two worlds side by side, and its history, as lines that text and markdown share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qdrantctl.model.field_rule import ABSENT, Json, same
from qdrantctl.model.resource_view import Event, Shown
from qdrantctl.model.spec import Path
from qdrantctl.render.shared.escape import clean, counted, dotted, listed, shown

_COMMIT = 12


def facts(made: Shown) -> Iterator[str]:
    """What is known of the resource beside its settings."""
    owner = f"managed by {clean(made.owner)}" if made.recorded is not None else "not managed"
    version = f", schema version {made.schema_version}" if made.recorded is not None else ""
    yield f"{clean(made.address)}: {owner}{version}"
    if made.pending:
        yield "an apply of it was interrupted; the next apply finishes it"
    if made.live is None:
        yield "not on the cluster"
    if made.points is not None:
        yield f"{clean(made.status)}, {counted(made.points, 'point')}"
    if made.aliases:
        yield f"aliases: {listed(made.aliases)}"


def table(made: Shown) -> Iterator[str]:
    """Every setting, recorded and live; `!` where what was applied is not what is there."""
    recorded, live = dict(_flat(made.recorded or {})), dict(_flat(made.live or {}))
    rows = [("", "setting", "recorded", "live")]
    for path in [*live, *(path for path in recorded if path not in live)]:
        had, has = recorded.get(path, ABSENT), live.get(path, ABSENT)
        moved = had is not ABSENT and not (has is not ABSENT and same(had, has))
        rows.append(("!" if moved else "", dotted(path), _cell(had, path), _cell(has, path)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True))
        yield "  ".join(cells).rstrip()


def _cell(value: Json, path: Path) -> str:
    return "" if value is ABSENT else shown(value, path)


def events(made: Iterable[Event]) -> Iterator[str]:
    """One line an apply."""
    for event in made:
        commit = f" at {clean(event.commit[:_COMMIT])}" if event.commit else ""
        run = f" ({clean(event.run)})" if event.run else ""
        version = f"schema version {event.schema_version}"
        what = f"{clean(event.action)} {clean(event.address)}"
        yield f"{clean(event.when)}  {what}, {version}, by {clean(event.who)}{commit}{run}"
        if event.way_back:
            yield f"  way back to what it was before: {clean(event.way_back)}"


def _flat(tree: Mapping[str, Json], above: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every value that is not itself a section, with its path."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value
