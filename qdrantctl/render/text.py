"""Plans and reports as text for a terminal, in the words and signs of Terraform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.render.diagnostics import violation_lines, violations_text
from qdrantctl.render.shared import summaries
from qdrantctl.render.shared.ansi import Paint, choose_painter
from qdrantctl.render.shared.escape import (
    count_noun,
    escape_line,
    format_path,
    format_value,
    join_names,
)
from qdrantctl.render.shared.plan_rows import align_rows
from qdrantctl.render.shared.replacement_lines import replacement_lines
from qdrantctl.render.shared.style import PLAIN, Style

if TYPE_CHECKING:
    from qdrantctl.model.access_keys.report import ApiKeyRotation, CheckedToken, KeyListing
    from qdrantctl.model.audit.report import AuditReport
    from qdrantctl.model.drift import Drift, DriftedResource
    from qdrantctl.model.import_report import ImportReport, ReceivedField
    from qdrantctl.model.lease import Lease, LeaseReport
    from qdrantctl.model.migration import MigrationReport
    from qdrantctl.model.plan import Plan
    from qdrantctl.model.replacement_status import ReplacementStatuses
    from qdrantctl.model.resource_view import HistoryEntry, ResourceView
    from qdrantctl.model.snapshots.reports import (
        RemovalReport,
        RestoredCollection,
        SnapshotInventory,
        VerificationReport,
    )
    from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
    from qdrantctl.model.upgrade import UpgradeReport
    from qdrantctl.model.violation import Violation

OTHER_SNAPSHOTS = (
    "\nSnapshots outside sets, taken before points were destroyed or by another user:\n"
)
NOTHING_TO_REMOVE = "Nothing to remove.\n"
LEFT_SETS = (
    "not removed: incomplete sets, sets of deleted collections, sets dated in the future, and sets "
    "not known to be of this cluster; --orphan FOLDER removes one:\n"
)
_TONES = {OutcomeStatus.DONE: "+", OutcomeStatus.FAILED: "error", OutcomeStatus.NOT_TAKEN: "error"}


def plan(plan: Plan, style: Style = PLAIN) -> str:
    """The plan: every change with its fields, the violations, and the totals."""
    from qdrantctl.render.shared.plan_lines import plan_blocks

    return "\n\n".join(plan_blocks(plan, style)) + "\n"


def report(report: Report, style: Style = PLAIN) -> str:
    """The report of a command: failed and unfinished resources, then the totals."""
    return "\n\n".join(_report_lines(report, choose_painter(colour=style.colour))) + "\n"


def outcome(outcome: Outcome, style: Style = PLAIN) -> str:
    """The outcome of one resource, printed during a run: a line, and one for each snapshot set."""
    paint = choose_painter(colour=style.colour)
    head = paint(summaries.outcome_sentence(outcome), _TONES.get(outcome.status, "faint"))
    return "\n".join(
        [head, *(f"  {paint(line, line[0])}" for line in summaries.stored_lines(outcome))]
    )


def report_ending(report: Report, style: Style = PLAIN) -> str:
    """The totals alone, for a run that has printed each outcome already."""
    paint = choose_painter(colour=style.colour)
    lines = [paint(summaries.report_summary(report), "+" if report.is_complete else "strong")]
    return (
        "\n".join(lines if report.is_complete else [*lines, summaries.continuation_note(report)])
        + "\n"
    )


def idle_policies(plan: Plan, _: Style = PLAIN) -> str:
    """Policies of which none is due."""
    lines = [f"{escape_line(change.address)}: {change.because}" for change in plan.changes]
    return "\n".join([summaries.NOTHING_DUE, *lines]) + "\n"


def resource(view: ResourceView, style: Style = PLAIN) -> str:
    """One resource: last-applied and live state side by side."""
    from qdrantctl.render.shared import side_by_side

    paint = choose_painter(colour=style.colour)
    head, *more = side_by_side.resource_facts(view)
    lines = [paint(head, "strong"), *more, ""]
    lines += [
        paint(line, "~" if line.startswith("!") else "plain")
        for line in side_by_side.comparison_table(view)
    ]
    if view.events:
        lines += ["", *side_by_side.history_lines(view.events)]
    return "\n".join(lines) + "\n"


def history(entries: Iterable[HistoryEntry], _: Style = PLAIN) -> str:
    """The applies, a line each."""
    from qdrantctl.render.shared import side_by_side

    lines = list(side_by_side.history_lines(entries)) or ["Nothing was applied yet."]
    return "\n".join(lines) + "\n"


def snapshots(inventory: SnapshotInventory, _: Style = PLAIN) -> str:
    """What can be restored: a line for each set, then one for each file of no set."""
    from qdrantctl.render.shared.snapshot_table import snapshot_table

    parts = [_sets(inventory.sets, inventory.now)] if inventory.sets else []
    if inventory.sets and inventory.others:
        parts.append(OTHER_SNAPSHOTS)
    if inventory.others or not inventory.sets:
        lines = list(snapshot_table(inventory.others))
        parts.append("\n".join(lines if len(lines) > 1 else ["There are no snapshots."]) + "\n")
    return "".join(parts)


def removal(report: RemovalReport, _: Style = PLAIN) -> str:
    """The sets that prune removes, and those that it removes only by name."""
    title = "to remove" if report.dry_run else "removed"
    parts = [
        f"{title}:\n{_sets(report.removed, report.now)}" if report.removed else NOTHING_TO_REMOVE
    ]
    if report.left:
        parts += [LEFT_SETS, _sets(report.left, report.now)]
    parts += (f"{escape_line(notice)}.\n" for notice in report.notices)
    return "".join(parts)


def verification(report: VerificationReport, _: Style = PLAIN) -> str:
    """The verified sets, each with the differences that were found."""
    lines = []
    for snapshot_set, result in report.verified:
        verdict = "is good" if result.good else "is NOT good"
        lines.append(f"{snapshot_set.destination} {snapshot_set.folder} {verdict}")
        lines += [f"  {line}" for line in result.missed]
        lines += [f"  changed by this server: {line}" for line in result.notes]
    if not report.verified and not report.untried:
        lines = ["Nothing to verify."]
    return "".join(f"{line}\n" for line in lines)


def restored_collection(collection: RestoredCollection, _: Style = PLAIN) -> str:
    """Notes on a collection that was restored from a snapshot."""
    from qdrantctl.render.shared.snapshot_table import restored_notes

    lines = restored_notes(
        collection.name, collection.snapshot, collection.aliases_left, managed=collection.managed
    )
    return "\n".join(lines) + "\n"


def restore_hints(report: Report, _: Style = PLAIN) -> str:
    """How to restore each destroyed collection; empty if none was destroyed."""
    return "".join(f"{line}\n" for line in summaries.restore_lines(report))


def drift(drift: Drift, style: Style = PLAIN) -> str:
    """Drifted resources, block by block; the last line is a summary for logs."""
    return "\n\n".join(_drift_lines(drift, choose_painter(colour=style.colour))) + "\n"


def audit(audit: AuditReport, style: Style = PLAIN) -> str:
    """The checklist, line by line; the last line is a summary for logs."""
    from qdrantctl.render.shared.audit_lines import audit_lines

    return "\n\n".join(audit_lines(audit, choose_painter(colour=style.colour))) + "\n"


def import_report(report: ImportReport, _: Style = PLAIN) -> str:
    """What import wrote and skipped, and what the next plan would change."""
    return "".join(f"{line}\n" for line in _import_lines(report, printed=False))


def import_remarks(report: ImportReport, _: Style = PLAIN) -> str:
    """The same for manifests that were printed, and not written to files."""
    return "".join(f"{line}\n" for line in _import_lines(report, printed=True))


def migration(report: MigrationReport, style: Style = PLAIN) -> str:
    """The rewritten files, or their differences, and the fields that were left as they are."""
    from qdrantctl.render.shared.migration_lines import migration_lines

    return "\n".join(migration_lines(report, choose_painter(colour=style.colour))) + "\n"


def upgrade(report: UpgradeReport, style: Style = PLAIN) -> str:
    """What an upgrade changes, by topic."""
    from qdrantctl.render.shared.upgrade_lines import upgrade_lines

    return "\n".join(upgrade_lines(report, choose_painter(colour=style.colour))) + "\n"


def leases(report: LeaseReport, _: Style = PLAIN) -> str:
    """The holders of the leases of an owner: of its applies and its other jobs."""
    text = _lease(report.owner, report.applies, report.now)
    for lease in filter(None, (report.snapshots, report.replacements)):
        text += "\n" + _lease(lease.owner, lease, report.now)
    return text


def _lease(owner: str, lease: Lease | None, now: datetime) -> str:
    if lease is None:
        return f"no apply of {escape_line(owner)} is running\n"
    lines = [f"owner    {escape_line(owner)}"]
    for word, value in lease.document(now).items():
        if word in ("remaining_seconds", "expired"):
            continue
        if word == "expires" and value:
            value += " (expired)" if lease.is_expired(now) else f" (in {lease.remaining(now)} s)"
        lines.append(f"{word:<8} {escape_line(str(value)) if value else 'unknown'}")
    return "\n".join(lines) + "\n"


def replacements(statuses: ReplacementStatuses, _: Style = PLAIN) -> str:
    """Replacements without downtime, each with its phase and its progress."""
    return "\n".join(replacement_lines(statuses)) + "\n"


def keys(listing: KeyListing, _: Style = PLAIN) -> str:
    """Access keys, a line for each generation."""
    from qdrantctl.render.shared import key_tables

    return "\n".join(key_tables.key_list_lines(listing.keys, ledger=listing.ledger)) + "\n"


def token_check(token: CheckedToken, _: Style = PLAIN) -> str:
    """What a token claims, and what the cluster allows it."""
    from qdrantctl.render.shared import key_tables

    return "\n".join(key_tables.token_check_lines(token)) + "\n"


def api_key_rotation(rotation: ApiKeyRotation, _: Style = PLAIN) -> str:
    """What a new API key breaks, and what to do in which order."""
    from qdrantctl.render.shared import key_tables

    return "\n".join(key_tables.rotation_lines(rotation)) + "\n"


def violations(violations: Sequence[Violation], style: Style = PLAIN) -> str:
    """Violations with their places, and their number."""
    return violations_text(violations, colour=style.colour)


def _sets(sets: Iterable[SnapshotSet], now: datetime) -> str:
    """A line for each set, and a line with the totals."""
    from qdrantctl.render.shared.snapshot_set_table import set_table

    return "\n".join(set_table(sets, now)) + "\n"


def _drift_lines(drift: Drift, paint: Paint) -> Iterator[str]:
    from qdrantctl.render.shared import drift_rows

    server = drift.server
    yield (
        f"qdrantctl drift: {paint(escape_line(drift.owner), 'strong')} on "
        f"{paint(escape_line(server.url), 'strong')} (Qdrant {escape_line(server.version)})"
    )
    for title, block in drift_rows.drift_blocks(drift):
        lines = [line for resource in block for line in _drifted_lines(resource, paint)]
        yield "\n".join([paint(f"{title}:", "strong"), *lines])
    yield from drift_rows.drift_remarks(drift)
    yield paint(drift_rows.drift_summary(drift), "error" if drift.has_drift else "strong")


def _drifted_lines(resource: DriftedResource, paint: Paint) -> Iterator[str]:
    from qdrantctl.render.shared import drift_rows

    sign, suffix = drift_rows.drift_sign(resource), drift_rows.drift_suffix(resource)
    tail = "   " + paint(suffix, "faint") if suffix else ""
    yield f"{paint(f'{sign:>3}', sign)} {escape_line(resource.address)}{tail}"
    for line in align_rows(drift_rows.drift_field_rows(resource), paint):
        yield f"      {line}"


def _import_lines(report: ImportReport, *, printed: bool) -> Iterator[str]:
    for field in report.fields:
        reason = f" ({escape_line(field.because)})" if field.because else ""
        values = (
            f"{format_value(field.before, field.path)} -> {format_value(field.now, field.path)}"
        )
        yield f"{_field_place(field)}: {values}{reason}"
    for field in report.unapplied:
        value = format_value(field.before, field.path)
        yield f"{_field_place(field)}: {value} (not applied yet; not changed)"
    for skipped in report.left_out:
        name = f" {format_path(skipped.path)}" if skipped.path else ""
        yield f"skipped {escape_line(skipped.address)}{name}: {escape_line(skipped.because)}"
    if not printed:
        yield from (f"wrote {escape_line(file.file)}" for file in report.files)
    if report.errors:
        yield from violation_lines(report.errors, choose_painter(colour=False))
        yield "Correct these errors in the manifests before the next plan."
    elif report.adopt or report.change:
        tail = "" if report.change else " Adopting writes only the ledger."
        yield f"{report.adopt} to adopt, {report.change} to change.{tail}"
    elif report.fields and not report.complete:
        yield "Values that were not written must be edited manually."
    elif not report.files:
        reason = "the manifests match the cluster"
        if report.unapplied:
            reason = "nothing changed on the cluster since the last apply"
        yield f"Nothing to write: {reason}."
    if report.stated:
        yield f"{count_noun(report.stated, 'resource')} skipped: declared by manifests already."


def _field_place(field: ReceivedField) -> str:
    """The line of a field, whose it is, and its name."""
    origin = f"{escape_line(str(field.origin))}: " if field.origin else ""
    return f"{origin}{escape_line(field.address)} {format_path(field.path)}"


def _report_lines(report: Report, paint: Paint) -> Iterator[str]:
    for outcome in report.outcomes:
        if outcome.status in (OutcomeStatus.FAILED, OutcomeStatus.NOT_TAKEN):
            yield paint(summaries.outcome_sentence(outcome), "error")
    if unreached := [o.address for o in report.outcomes if o.status is OutcomeStatus.NOT_REACHED]:
        yield f"Not reached: {join_names(unreached)}."
    yield paint(summaries.report_summary(report), "+" if report.is_complete else "strong")
    if hints := summaries.restore_lines(report):
        yield "\n".join(hints)
    if not report.is_complete:
        yield summaries.continuation_note(report)
