"""The lines of a plan on a terminal, in the words and signs of Terraform."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from qdrantctl.model.change import Action
from qdrantctl.model.plan import Plan
from qdrantctl.render.diagnostics import violation_lines
from qdrantctl.render.shared import summaries
from qdrantctl.render.shared.ansi import Paint, choose_painter
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.plan_groups import ChangeGroup, group_changes
from qdrantctl.render.shared.plan_rows import (
    PLAN_SIGNS,
    align_rows,
    change_heading,
    change_reason,
    change_sign,
    origin_text,
    snapshot_note,
    sum_rebuilds,
)
from qdrantctl.render.shared.replacement_lines import forecast_lines
from qdrantctl.render.shared.style import Style

_WIDTH = 100
"""Columns of lists of names where the width of the terminal is unknown."""
_FIELD_INDENT = "      "


def plan_blocks(plan: Plan, style: Style) -> Iterator[str]:
    """The parts of a plan, which blank lines separate."""
    paint = choose_painter(colour=style.colour)
    yield f"qdrantctl plan: {paint(escape_line(plan.owner), 'strong')}{_server_lines(plan, paint)}"
    for note in summaries.preparation_note(plan):
        yield paint(f"  # {note}", "strong")
    groups = group_changes([c for c in plan.changes if c.action is not Action.NOOP])
    if style.summary:
        if groups:
            yield "\n".join(line for group in groups for line in _brief_lines(group, style, paint))
    else:
        for group in groups:
            yield "\n".join(_group_lines(group, plan.environment, style, paint))
    yield from violation_lines(plan.violations, paint)
    if unmanaged := summaries.unmanaged_note(plan):
        yield unmanaged
    if limits := summaries.unmanaged_limits_note(plan):
        yield limits
    yield paint(summaries.plan_summary(plan), "strong")
    if why := summaries.blocked_note(plan):
        yield paint(why, "error")


def _server_lines(plan: Plan, paint: Paint) -> str:
    """The server or the commit that a plan was compared with."""
    if offline := summaries.offline_note(plan):
        return f"\n{paint(offline, 'strong')}"
    server, mode = plan.server, "cluster mode" if plan.server.distributed else "standalone"
    url, version = paint(escape_line(server.url), "strong"), escape_line(server.version)
    return f" on {url} (Qdrant {version}, {mode})"


def _group_lines(group: ChangeGroup, environment: str, style: Style, paint: Paint) -> Iterator[str]:
    change = group.first
    name = escape_line(change.address) if group.is_alone else group.title
    yield paint(f"  # {name} {change_heading(change)}", "strong")
    if reason := change_reason(change):
        yield f"  # ({reason})"
    if restore_note := snapshot_note(change, environment):
        yield f"  # {restore_note}"
    if cost := sum_rebuilds(group.changes):
        yield f"  # ({cost})"
    yield from (f"  # {line}" for line in forecast_lines(change))
    yield from _name_lines(group, style, paint)
    for line in align_rows(group.rows, paint, (style.width or 0) - len(_FIELD_INDENT)):
        yield f"{_FIELD_INDENT}{line}"


def _name_lines(group: ChangeGroup, style: Style, paint: Paint) -> Iterator[str]:
    """The sign and the addresses; of a single resource its place, too."""
    change = group.first
    sign = paint(f"{change_sign(change):>3}", PLAN_SIGNS[change.action])
    if group.is_alone:
        origin = origin_text(change.origin)
        place = "   " + paint(origin, "faint") if origin else ""
        yield f"{sign} {escape_line(change.address)}{place}"
        return
    names = ", ".join(map(escape_line, group.addresses))
    for line in wrap(names, (style.width or _WIDTH) - 4, break_on_hyphens=False):
        yield f"{sign} {line}"
        sign = "   "


def _brief_lines(group: ChangeGroup, style: Style, paint: Paint) -> Iterator[str]:
    """A group in one line, or in as many as its names take."""
    change, rows = group.first, group.rows
    if change.action in (Action.CREATE, Action.ADOPT) or not rows:
        what = change_reason(change) or change_heading(change)
    else:
        what = ", ".join(f"{row.path} {row.change.removeprefix(': ')}" for row in rows)
    notes = dict.fromkeys(note for row in rows for note in row.notes)
    if change.action not in (Action.CREATE, Action.ADOPT) and notes:
        what += f"  # {'; '.join(notes)}"
    sign = paint(f"{change_sign(change):>3}", PLAN_SIGNS[change.action])
    if group.is_alone:
        yield _cut(f"{escape_line(change.address)}: {what}", style.width, sign)
        return
    yield _cut(f"{group.title}: {what}", style.width, sign)
    names = ", ".join(map(escape_line, group.addresses))
    for line in wrap(names, (style.width or _WIDTH) - len(_FIELD_INDENT), break_on_hyphens=False):
        yield f"{_FIELD_INDENT}{line}"


def _cut(text: str, width: int | None, sign: str) -> str:
    """The text after its sign, on one line of a terminal."""
    most = (width or 10_000) - 4
    return f"{sign} {text if len(text) <= most else text[: most - 1] + '…'}"
