"""Events and documents as JSON lines: each line is one value."""

from __future__ import annotations

import json

from qdrantctl.model.event import Event
from qdrantctl.model.field_rule import Json
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Report
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.style import PLAIN, Style


def plan(plan: Plan, _: Style = PLAIN) -> str:
    """The plan in one line: the last one of `plan`."""
    return _render_line(plan.document())


def report(report: Report, _: Style = PLAIN) -> str:
    """The report in one line: the last one of a command that carries out a plan."""
    return _render_line(report.model_dump(mode="json"))


def event(event: Event, _: Style = PLAIN) -> str:
    """One event in one line."""
    return _render_line(event.model_dump(mode="json"))


def _render_line(value: Json) -> str:
    return escape_line(json.dumps(value, ensure_ascii=False)) + "\n"
