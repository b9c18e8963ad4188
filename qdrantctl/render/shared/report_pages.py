"""Drift, audits, resources and the reports of commands as pages."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.audit.report import Answer, AuditReport, Verdict
from qdrantctl.model.audit.rules import AuditRule
from qdrantctl.model.drift import Drift, DriftedField, DriftedResource
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource_view import ResourceView
from qdrantctl.model.violation import Severity
from qdrantctl.render.shared import audit_rows, drift_rows, side_by_side, summaries
from qdrantctl.render.shared.escape import format_value
from qdrantctl.render.shared.page import (
    CALM,
    CHANGE,
    DANGER,
    GOOD,
    HEAVY,
    THREE_WAY,
    Page,
    PageEntry,
    PageList,
    PageRow,
    PageSection,
)

_AS_APPLIED = "as applied"
_BAD_STATUS = (OutcomeStatus.FAILED, OutcomeStatus.NOT_TAKEN)
_STATUS_TONES = {OutcomeStatus.DONE: GOOD, OutcomeStatus.NOT_REACHED: HEAVY}
FieldKey = tuple[str, tuple[str | int, ...]]
"""The address of a resource, and the path of a field."""


def make_drift_page(drift: Drift) -> Page:
    """The page of a drift report, a section for each of its blocks."""
    changed = _values_by_field(drift.changed)
    pending = drift.not_applied if isinstance(drift.not_applied, tuple) else None
    desired = None if pending is None else _values_by_field(pending)
    return Page(
        kind="Drift",
        subject=drift.owner,
        verdict=drift_rows.drift_headline(drift),
        tone=DANGER if drift.has_drift else GOOD,
        facts=(("Server", drift.server.url), ("Qdrant", drift.server.version)),
        notices=tuple(drift_rows.drift_remarks(drift)),
        sections=tuple(
            PageSection(title, tuple(_drift_entry(item, title, changed, desired) for item in block))
            for title, block in drift_rows.drift_blocks(drift)
        ),
        program=f"qdrantctl {drift.qdrantctl_version}",
    )


def _values_by_field(block: tuple[DriftedResource, ...]) -> dict[FieldKey, str]:
    return {
        (resource.address, field.path): format_value(field.now, field.path)
        for resource in block
        for field in resource.fields
    }


def _drift_entry(
    resource: DriftedResource,
    block: str,
    changed: dict[FieldKey, str],
    desired: dict[FieldKey, str] | None,
) -> PageEntry:
    rows = drift_rows.drift_field_rows(resource)
    return PageEntry(
        title=resource.address,
        tags=(("effect", str(resource.what)), ("cause", block)),
        sign=drift_rows.drift_sign(resource),
        summary=str(resource.what),
        tone=CALM if resource.known else DANGER if block == drift_rows.CHANGED else CHANGE,
        notes=tuple(filter(None, (drift_rows.drift_suffix(resource),))),
        columns=THREE_WAY,
        rows=tuple(
            PageRow(
                row.sign,
                row.path,
                _drift_values(resource.address, field, block, changed, desired),
                notes=row.notes,
                place=row.place,
            )
            for field, row in zip(resource.fields, rows, strict=True)
        ),
        is_open=block == drift_rows.CHANGED,
    )


def _drift_values(
    address: str,
    field: DriftedField,
    block: str,
    changed: dict[FieldKey, str],
    desired: dict[FieldKey, str] | None,
) -> tuple[str, ...]:
    """A field as applied, live and desired; each block of the report states two of the three."""
    before, now = format_value(field.before, field.path), format_value(field.now, field.path)
    key = (address, field.path)
    if block == drift_rows.NOT_APPLIED:
        return before, changed.get(key, _AS_APPLIED), now
    if block == drift_rows.UNMANAGED:
        return before, now, "not managed"
    return before, now, "not compared" if desired is None else desired.get(key, _AS_APPLIED)


def make_audit_page(audit: AuditReport) -> Page:
    """The page of an audit, a section for each part of the checklist."""
    sections = audit_rows.group_by_section(audit)
    return Page(
        kind="Audit",
        subject=audit.owner,
        verdict=audit_rows.audit_summary(audit),
        tone=DANGER if audit.has_findings else GOOD,
        facts=(("Audited", audit_rows.audited_place(audit)),),
        sections=tuple(
            PageSection(title, tuple(_rule_entry(*entry) for entry in entries))
            for title, entries in sections.items()
        ),
        lists=tuple(
            PageList(f"{audit_rows.PROOFS}: {name}", tuple(lines))
            for name, lines in audit_rows.proof_lines(audit).items()
        ),
        program=f"qdrantctl {audit.qdrantctl_version}",
    )


def _rule_entry(rule: str, audit_rule: AuditRule, verdicts: list[Verdict]) -> PageEntry:
    answer = audit_rows.overall_answer(verdicts)
    is_finding = answer is Answer.FAIL
    severity = audit_rows.heaviest_severity(verdicts) if is_finding else None
    remedy = (audit_rows.remedy_line(rule, audit_rule),) if is_finding else ()
    weight = (("severity", str(severity)),) if severity else ()
    return PageEntry(
        title=rule,
        tags=(("answer", str(answer).replace("_", " ")), *weight),
        sign=audit_rows.AUDIT_SIGNS[answer],
        summary=audit_rule.title,
        tone=DANGER if severity is Severity.ERROR else HEAVY if is_finding else CALM,
        notes=(*audit_rows.verdict_lines(verdicts), *remedy),
        is_open=is_finding,
    )


def make_report_page(report: Report) -> Page:
    """The page of a report of a command, an entry for each resource."""
    hints = summaries.restore_lines(report)
    rest = () if report.is_complete else (summaries.continuation_note(report),)
    entries = tuple(map(_outcome_entry, report.outcomes))
    return Page(
        kind=report.command,
        subject=f"{report.project}/{report.environment}",
        verdict=summaries.report_summary(report),
        tone=GOOD if report.is_complete else DANGER,
        facts=(("Server", report.url), ("Plan", report.plan_digest)),
        notices=(*rest, *hints),
        sections=(PageSection("Outcomes", entries),) if entries else (),
    )


def _outcome_entry(outcome: Outcome) -> PageEntry:
    return PageEntry(
        title=outcome.address,
        tags=(
            ("effect", str(outcome.summary_action)),
            ("status", str(outcome.status).replace("_", " ")),
        ),
        summary=str(outcome.status).replace("_", " "),
        tone=DANGER if outcome.status in _BAD_STATUS else _STATUS_TONES.get(outcome.status, CALM),
        notes=tuple(_outcome_notes(outcome)),
        is_open=outcome.status in _BAD_STATUS,
    )


def _outcome_notes(outcome: Outcome) -> Iterator[str]:
    yield summaries.outcome_sentence(outcome)
    yield from summaries.stored_lines(outcome)


def make_resource_page(view: ResourceView) -> Page:
    """The page of one resource: its settings as recorded and live, and its history."""
    rows = tuple(
        PageRow(sign, path, (recorded, live))
        for sign, path, recorded, live in side_by_side.comparison_rows(view)
    )
    is_changed = any(row.sign for row in rows)
    head, *facts = side_by_side.resource_facts(view)
    entry = PageEntry(
        title=view.address,
        tags=(),
        summary="differs from its record" if is_changed else "",
        tone=DANGER if is_changed else CALM,
        columns=("recorded", "live"),
        rows=rows,
        is_open=True,
    )
    history = tuple(side_by_side.history_lines(view.events))
    return Page(
        kind="Resource",
        subject=view.address,
        verdict=head,
        tone=entry.tone,
        notices=tuple(facts),
        sections=(PageSection("Settings", (entry,)),),
        lists=(PageList("History", history),) if history else (),
    )
