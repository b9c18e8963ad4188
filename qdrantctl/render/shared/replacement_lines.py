"""Replacements without downtime in lines: in plans, and as `replacement status` prints them."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.change import Change, ReplacementForecast
from qdrantctl.model.replacement_status import ReplacementStatus, ReplacementStatuses
from qdrantctl.render.shared.escape import count_noun, escape_line, join_names

_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")


def forecast_lines(change: Change) -> Iterator[str]:
    """What a replacement takes, which aliases move, what is promised and what is not."""
    forecast = change.replacement
    if not isinstance(forecast, ReplacementForecast):
        return
    old, new = escape_line(forecast.old), escape_line(forecast.new)
    size = f"{count_noun(forecast.shards, 'shard')} x {count_noun(forecast.replicas, 'replica')}"
    points = f"{forecast.points:,} points, " if isinstance(forecast.points, int) else ""
    yield f"beside {old}: {new}, {points}{size}"
    if isinstance(forecast.disk_bytes, int) and isinstance(forecast.ram_bytes, int):
        yield (
            f"expected in addition while both stand: {format_bytes(forecast.disk_bytes)} on disk, "
            f"{format_bytes(forecast.ram_bytes)} in memory"
        )
    if forecast.aliases:
        yield f"moves: {join_names(forecast.aliases)}"
    yield from (f"promised: {promise}" for promise in forecast.promises)
    yield from (f"not promised: {limit}" for limit in forecast.limits)
    phases = [name for step in change.steps for name in step.model_fields_set if name != "call"]
    if phases:  # an offline plan has no steps
        yield f"phases: {', '.join(phases).replace('_', ' ')}"


def format_bytes(number: int) -> str:
    """`1.2 GB`, in powers of 1,000."""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_SIZE_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_SIZE_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_SIZE_UNITS[unit]}"


def replacement_lines(statuses: ReplacementStatuses) -> Iterator[str]:
    """A block for each replacement."""
    if not statuses.replacements:
        yield f"no replacement of {escape_line(statuses.owner)} is under way"
    for number, status in enumerate(statuses.replacements):
        if number:
            yield ""
        yield from _status_lines(status)


def _status_lines(status: ReplacementStatus) -> Iterator[str]:
    what = "rollback" if status.rollback else "replacement"
    yield f"{escape_line(status.address)}: {what} {status.state}, phase {status.phase}"
    rows = {
        "from": status.old,
        "to": status.new,
        "aliases": ", ".join(status.aliases),
        "begun": status.begun,
        "progress": _describe_progress(status),
        "passes": f"differences: {', '.join(f'{number:,}' for number in status.passes)}"
        if status.passes
        else "",
        "switched": status.switched,
        "kept until": status.keep_until,
        "conflicts": _describe_conflicts(status),
        "writes": f"refused in {status.old} until it goes on" if status.refuses_writes else "",
        "run by": status.holder,
        "stopped": status.error,
    }
    for word, value in rows.items():
        if value:
            yield f"  {word:<10} {escape_line(value)}"


def _describe_progress(status: ReplacementStatus) -> str:
    if status.state == "kept" or not status.done:
        return ""
    text = f"{status.done:,} of {status.points:,} points, {status.rate:,.0f} a second"
    if isinstance(status.remaining_seconds, int):
        text += f", about {status.remaining_seconds:,} s remain"
    return text


def _describe_conflicts(status: ReplacementStatus) -> str:
    if not status.conflicts:
        return ""
    ids = ", ".join(map(str, status.conflict_ids[:10]))
    more = " …" if status.conflicts > len(status.conflict_ids[:10]) else ""
    return f"{count_noun(status.conflicts, 'point')} changed on both sides: {ids}{more}"
