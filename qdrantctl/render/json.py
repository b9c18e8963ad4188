"""Plans and reports for machines. The models are the format; their schemas are in `schemas/`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from qdrantctl.model.access_keys.report import ApiKeyRotation, CheckedToken, KeyListing
from qdrantctl.model.audit.report import AuditReport
from qdrantctl.model.drift import Drift
from qdrantctl.model.field_rule import Json
from qdrantctl.model.import_report import ImportReport
from qdrantctl.model.lease import LeaseReport
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Report
from qdrantctl.model.resource_view import HistoryEntry, ResourceView
from qdrantctl.model.snapshots.reports import (
    RemovalReport,
    SnapshotInventory,
    VerificationReport,
)
from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render.diagnostics import REPORTED, count
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.style import PLAIN, Style


def plan(made: Plan, _: Style = PLAIN) -> str:
    """The plan as JSON, its digest last."""
    return render_json(made.document())


def report(made: Report, _: Style = PLAIN) -> str:
    """The report as JSON."""
    return render_json(made.model_dump(mode="json"))


def drift(made: Drift, _: Style = PLAIN) -> str:
    """The drift report as JSON."""
    return render_json(made.document())


def audit(made: AuditReport, _: Style = PLAIN) -> str:
    """The audit as JSON."""
    return render_json(made.document())


def resource(view: ResourceView, _: Style = PLAIN) -> str:
    """One resource as JSON: what was applied, and what exists."""
    return render_json(view.model_dump(mode="json"))


def history(made: Iterable[HistoryEntry], _: Style = PLAIN) -> str:
    """What was applied, as JSON."""
    return render_json({"events": [event.model_dump(mode="json") for event in made]})


def import_report(made: ImportReport, _: Style = PLAIN) -> str:
    """What import wrote, as JSON."""
    return render_json(made.model_dump(mode="json"))


def leases(made: LeaseReport, _: Style = PLAIN) -> str:
    """The leases of an owner as JSON; that of snapshots only while it is held."""
    lease = made.applies.document(made.now) if made.applies else None
    more = {"snapshots": made.snapshots.document(made.now)} if made.snapshots else {}
    return render_json({"owner": made.owner, "lease": lease, **more})


def keys(made: KeyListing, _: Style = PLAIN) -> str:
    """Access keys with their generations, as JSON."""
    listed = [key.model_dump(mode="json") for key in made.keys]
    return render_json({"owner": made.owner, "keys": listed})


def token_check(made: CheckedToken, _: Style = PLAIN) -> str:
    """What a token claims and may do, as JSON."""
    return render_json(made.model_dump(mode="json") | {"sound": made.is_sound})


def api_key_rotation(made: ApiKeyRotation, _: Style = PLAIN) -> str:
    """What a new API key breaks, as JSON."""
    return render_json(made.model_dump(mode="json"))


def snapshots(made: SnapshotInventory, _: Style = PLAIN) -> str:
    """What can be restored, as JSON."""
    files = [file.model_dump(mode="json") for file in made.files]
    return render_json({"snapshots": files, "sets": [s.document(made.now) for s in made.sets]})


def removal(made: RemovalReport, _: Style = PLAIN) -> str:
    """The sets that prune removed, and those that it left, as JSON."""
    parts = {"removed": made.removed, "left": made.left}
    sets = {word: [s.document(made.now) for s in group] for word, group in parts.items()}
    return render_json({**sets, "notices": list(made.notices)})


def verification(made: VerificationReport, _: Style = PLAIN) -> str:
    """The sets that were verified, and what could not be tried, as JSON."""
    verified = [
        {"destination": each.destination, "folder": each.folder, **result.model_dump(mode="json")}
        for each, result in made.verified
    ]
    return render_json({"verified": verified, "untried": list(made.untried)})


def violations(made: Sequence[Violation], _: Style = PLAIN) -> str:
    """Broken rules as JSON."""
    reported = [v.model_dump(mode="json") for v in made if v.severity in REPORTED]
    errors = count(made, Severity.ERROR)
    return render_json(
        {
            "format_version": "1.0",
            "valid": not errors,
            "error_count": errors,
            "warning_count": count(made, Severity.WARNING),
            "violations": reported,
        }
    )


def render_json(value: Json) -> str:
    """Indented JSON. What a terminal would obey is escaped, which means the same to a parser."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(map(escape_line, lines)) + "\n"
