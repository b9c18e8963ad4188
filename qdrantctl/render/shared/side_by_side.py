"""A resource as applied and live, and its history, as lines for text and markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qdrantctl.model.field_rule import ABSENT, Json, json_equal
from qdrantctl.model.quota import NodeUsage
from qdrantctl.model.resource import CollectionStorage
from qdrantctl.model.resource_view import AppliedField, HistoryEntry, ResourceView
from qdrantctl.model.spec import Path
from qdrantctl.render.shared.escape import (
    count_noun,
    escape_line,
    format_path,
    format_value,
    join_names,
)

_SHORT_COMMIT = 12


def resource_facts(view: ResourceView) -> Iterator[str]:
    """Owner, state and aliases of the resource."""
    owner = f"managed by {escape_line(view.owner)}" if view.recorded is not None else "not managed"
    version = f", schema version {view.schema_version}" if view.recorded is not None else ""
    yield f"{escape_line(view.address)}: {owner}{version}"
    if view.pending:
        yield "an apply of it was interrupted; the next apply finishes it"
    if view.live is None:
        yield "not on the cluster"
    if isinstance(view.object, str):
        yield f"called {escape_line(view.object)} on the cluster"
    if view.points is not None:
        yield f"{escape_line(view.status)}, {count_noun(view.points, 'point')}"
    if isinstance(view.storage, CollectionStorage):
        yield _storage_line(view.storage)
    if isinstance(view.usage, tuple):
        yield from map(_usage_line, view.usage)
    if view.aliases:
        yield f"aliases: {join_names(view.aliases)}"


def _storage_line(size: CollectionStorage) -> str:
    """Its bytes on disk, in memory and in the page cache."""
    return (
        f"one replica of each shard: {size.disk_bytes:,} bytes on disk, {size.ram_bytes:,} in "
        f"memory, {size.cached_bytes:,} cached of {size.expected_cache_bytes:,} expected"
    )


def _usage_line(usage: NodeUsage) -> str:
    """`node 12: memory 40%, disk 73%; it refuses writes (507)`."""
    shares = (("memory", usage.memory_percent), ("disk", usage.disk_percent))
    parts = [f"{noun} {'unknown' if share is None else f'{share}%'}" for noun, share in shares]
    node = f"node {escape_line(usage.node)}: " if usage.node else "in use: "
    return node + ", ".join(parts) + ("; it refuses writes (507)" if usage.exceeded else "")


def comparison_rows(view: ResourceView) -> Iterator[tuple[str, str, str, str]]:
    """Every setting: `!` if the live value differs, its path, as recorded, and live."""
    recorded, live = dict(_flat_values(view.recorded or {})), dict(_flat_values(view.live or {}))
    for path in [*live, *(path for path in recorded if path not in live)]:
        recorded_value, live_value = recorded.get(path, ABSENT), live.get(path, ABSENT)
        is_changed = recorded_value is not ABSENT and not (
            live_value is not ABSENT and json_equal(recorded_value, live_value)
        )
        yield (
            "!" if is_changed else "",
            format_path(path),
            _comparison_cell(recorded_value, path),
            _comparison_cell(live_value, path),
        )


def comparison_table(view: ResourceView) -> Iterator[str]:
    """The settings as lines with aligned columns, below their titles."""
    rows = [("", "setting", "recorded", "live"), *comparison_rows(view)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True))
        yield "  ".join(cells).rstrip()


def _comparison_cell(value: Json, path: Path) -> str:
    return "" if value is ABSENT else format_value(value, path)


def history_lines(entries: Iterable[HistoryEntry]) -> Iterator[str]:
    """One line for each apply."""
    for entry in entries:
        commit = f" at {escape_line(entry.commit[:_SHORT_COMMIT])}" if entry.commit else ""
        if isinstance(entry.stated_commit, str):
            commit += f" (CI started for {escape_line(entry.stated_commit[:_SHORT_COMMIT])})"
        run = f" ({escape_line(entry.run)})" if entry.run else ""
        version = f"schema version {entry.schema_version}"
        action = f"{escape_line(entry.action)} {escape_line(entry.address)}"
        when, who = escape_line(entry.when), escape_line(entry.who)
        yield f"{when}  {action}, {version}, by {who}{commit}{run}"
        if entry.way_back:
            yield f"  restore its previous state: {escape_line(entry.way_back)}"
        if isinstance(entry.fields, tuple):
            yield from map(_applied_field_line, entry.fields)


def _applied_field_line(field: AppliedField) -> str:
    """`~ hnsw_config.m: 16 -> 32`, in the signs of plans."""
    before, after = (
        _comparison_cell(field.before, field.path),
        _comparison_cell(field.after, field.path),
    )
    values = " -> ".join(filter(None, (before, after)))
    sign = "+" if field.before is ABSENT else "-" if field.after is ABSENT else "~"
    return f"  {sign} {format_path(field.path)}: {values}"


def _flat_values(tree: Mapping[str, Json], above: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every value that is not itself a section, with its path."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat_values(value, (*above, key))
        else:
            yield (*above, key), value
