"""Plans and reports for machines. The models are the format; their schemas are in `schemas/`."""

from __future__ import annotations

import json

from qdrantctl.model.audit.report import AuditReport
from qdrantctl.model.drift import Drift
from qdrantctl.model.field_rule import Json
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Report
from qdrantctl.render.shared.escape import clean


def plan(made: Plan) -> str:
    """The plan as JSON, its digest last."""
    return document(made.document())


def report(made: Report) -> str:
    """The report as JSON."""
    return document(made.model_dump(mode="json"))


def drift(made: Drift) -> str:
    """The drift report as JSON."""
    return document(made.document())


def audit(made: AuditReport) -> str:
    """The audit as JSON."""
    return document(made.document())


def document(value: Json) -> str:
    """Indented JSON. What a terminal would obey is escaped, which means the same to a parser."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(map(clean, lines)) + "\n"
