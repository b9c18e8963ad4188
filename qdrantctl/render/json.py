"""Plans and reports as JSON. The models define the format; their schemas are in `schemas/`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from qdrantctl.model.access_keys.report import ApiKeyRotation, CheckedToken, KeyListing
from qdrantctl.model.audit.report import AuditReport
from qdrantctl.model.drift import Drift
from qdrantctl.model.field_rule import Json
from qdrantctl.model.import_report import ImportReport
from qdrantctl.model.lease import LeaseReport
from qdrantctl.model.migration import MigrationReport
from qdrantctl.model.plan import Plan
from qdrantctl.model.replacement_status import ReplacementStatuses
from qdrantctl.model.report import Report
from qdrantctl.model.resource_view import HistoryEntry, ResourceView
from qdrantctl.model.snapshots.reports import (
    RemovalReport,
    SnapshotInventory,
    VerificationReport,
)
from qdrantctl.model.upgrade import UpgradeReport
from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render.diagnostics import REPORTED, count
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.style import PLAIN, Style


def plan(plan: Plan, _: Style = PLAIN) -> str:
    """The plan as JSON, its digest last."""
    return render_json(plan.document())


def report(report: Report, _: Style = PLAIN) -> str:
    """The report as JSON."""
    return render_json(report.model_dump(mode="json"))


def drift(drift: Drift, _: Style = PLAIN) -> str:
    """The drift report as JSON."""
    return render_json(drift.document())


def audit(audit: AuditReport, _: Style = PLAIN) -> str:
    """The audit as JSON."""
    return render_json(audit.document())


def resource(view: ResourceView, _: Style = PLAIN) -> str:
    """One resource as JSON: last-applied and live state."""
    return render_json(view.model_dump(mode="json"))


def history(entries: Iterable[HistoryEntry], _: Style = PLAIN) -> str:
    """The applies as JSON."""
    return render_json({"events": [entry.model_dump(mode="json") for entry in entries]})


def import_report(report: ImportReport, _: Style = PLAIN) -> str:
    """What import wrote, as JSON."""
    return render_json(report.model_dump(mode="json"))


def migration(report: MigrationReport, _: Style = PLAIN) -> str:
    """The report of a migration as JSON."""
    return render_json(report.model_dump(mode="json"))


def upgrade(report: UpgradeReport, _: Style = PLAIN) -> str:
    """The report of an upgrade check as JSON."""
    return render_json(report.model_dump(mode="json"))


def leases(report: LeaseReport, _: Style = PLAIN) -> str:
    """The leases of an owner as JSON; those of other jobs only while they are held."""
    lease = report.applies.document(report.now) if report.applies else None
    jobs = {"snapshots": report.snapshots, "replacements": report.replacements}
    more = {name: lease.document(report.now) for name, lease in jobs.items() if lease}
    return render_json({"owner": report.owner, "lease": lease, **more})


def replacements(statuses: ReplacementStatuses, _: Style = PLAIN) -> str:
    """Replacements without downtime as JSON."""
    return render_json(statuses.model_dump(mode="json"))


def keys(listing: KeyListing, _: Style = PLAIN) -> str:
    """Access keys with their generations, as JSON."""
    listed = [key.model_dump(mode="json") for key in listing.keys]
    return render_json({"owner": listing.owner, "keys": listed})


def token_check(token: CheckedToken, _: Style = PLAIN) -> str:
    """What a token claims and may do, as JSON."""
    return render_json(token.model_dump(mode="json") | {"sound": token.is_sound})


def api_key_rotation(rotation: ApiKeyRotation, _: Style = PLAIN) -> str:
    """What a new API key breaks, as JSON."""
    return render_json(rotation.model_dump(mode="json"))


def snapshots(inventory: SnapshotInventory, _: Style = PLAIN) -> str:
    """What can be restored, as JSON."""
    files = [file.model_dump(mode="json") for file in inventory.files]
    return render_json(
        {"snapshots": files, "sets": [s.document(inventory.now) for s in inventory.sets]}
    )


def removal(report: RemovalReport, _: Style = PLAIN) -> str:
    """The sets that prune removed, and those that it kept, as JSON."""
    parts = {"removed": report.removed, "left": report.left}
    sets = {word: [s.document(report.now) for s in group] for word, group in parts.items()}
    return render_json({**sets, "notices": list(report.notices)})


def verification(report: VerificationReport, _: Style = PLAIN) -> str:
    """The sets that were verified, and those that could not be tested, as JSON."""
    verified = [
        {
            "destination": snapshot_set.destination,
            "folder": snapshot_set.folder,
            **result.model_dump(mode="json"),
        }
        for snapshot_set, result in report.verified
    ]
    return render_json({"verified": verified, "untried": list(report.untried)})


def violations(violations: Sequence[Violation], _: Style = PLAIN) -> str:
    """Violations as JSON."""
    reported = [v.model_dump(mode="json") for v in violations if v.severity in REPORTED]
    errors = count(violations, Severity.ERROR)
    return render_json(
        {
            "format_version": "1.0",
            "valid": not errors,
            "error_count": errors,
            "warning_count": count(violations, Severity.WARNING),
            "violations": reported,
        }
    )


def render_json(value: Json) -> str:
    """Indented JSON. Control characters are escaped; a parser reads the same values."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(map(escape_line, lines)) + "\n"
