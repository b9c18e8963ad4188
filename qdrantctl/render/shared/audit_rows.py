"""Lines of an audit report, in the order that every format shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from qdrantctl.model.audit.report import (
    Answer,
    AuditedServer,
    AuditReport,
    Proof,
    Result,
    Verdict,
    audit_docs_url,
)
from qdrantctl.model.audit.rules import AUDIT_RULES, AuditRule
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity
from qdrantctl.render.shared.escape import (
    count_noun,
    escape_line,
    format_path,
    format_value,
    join_names,
)

AUDIT_SIGNS = {
    Answer.FAIL: "FAIL",
    Answer.CANNOT_BE_SEEN: "?",
    Answer.PASS: "pass",
    Answer.NOT_APPLICABLE: "n/a",
}
"""The sign before a rule. The first answer in this order that any of its verdicts has wins."""
RESULTS = {
    Result.ENFORCED: "enforced",
    Result.NOT_ENFORCED: "NOT ENFORCED",
    Result.NOT_PROVABLE: "not provable",
}
PROOFS = "Limits, tested"


def group_by_rule(audit: AuditReport) -> Iterator[tuple[str, AuditRule, list[Verdict]]]:
    """Every rule with its verdicts."""
    for rule, audit_rule in AUDIT_RULES.items():
        if verdicts := [verdict for verdict in audit.verdicts if verdict.rule == rule]:
            yield rule, audit_rule, verdicts


def group_by_section(audit: AuditReport) -> dict[str, list[tuple[str, AuditRule, list[Verdict]]]]:
    """Every rule with its verdicts, by section of the checklist."""
    result: dict[str, list[tuple[str, AuditRule, list[Verdict]]]] = {}
    for rule, audit_rule, verdicts in group_by_rule(audit):
        result.setdefault(audit_rule.section, []).append((rule, audit_rule, verdicts))
    return result


def overall_answer(verdicts: list[Verdict]) -> Answer:
    """The answer of a rule as a whole."""
    answers = {verdict.answer for verdict in verdicts}
    return next(answer for answer in AUDIT_SIGNS if answer in answers)


def heaviest_severity(verdicts: list[Verdict]) -> Severity:
    """The highest severity among the findings of a rule."""
    order = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    severities = {verdict.severity for verdict in verdicts if verdict.is_finding}
    return next(severity for severity in order if severity in severities)


def verdict_lines(verdicts: list[Verdict]) -> Iterator[str]:
    """The lines below a rule: each finding, then the other verdicts, merged where possible."""
    alike: dict[tuple[str, ...], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.is_finding:
            alike.setdefault(_grouping_key(verdict), []).append(verdict)
    yield from (
        finding_line(group[0]) if len(group) == 1 else _merge_lines(group)
        for group in alike.values()
    )
    counts = Counter((v.answer, v.message) for v in verdicts if not v.is_finding)
    passes = [count for (answer, _), count in counts.items() if answer is Answer.PASS]
    if passes and (alike or len(passes) > 1):
        yield f"passed: {count_noun(sum(passes), 'collection')}"
        counts = Counter({key: n for key, n in counts.items() if key[0] is not Answer.PASS})
    for (_, message), count in counts.items():
        times = f" ({count_noun(count, 'collection')})" if count > 1 else ""
        yield f"{escape_line(message)}{times}"


def _grouping_key(verdict: Verdict) -> tuple[str, ...]:
    """The key of findings that share a line: the same finding on unmanaged collections."""
    if isinstance(verdict.origin, Origin):
        return verdict.message, str(verdict.origin), str(verdict.subject)
    return verdict.message, verdict.severity


def _merge_lines(group: list[Verdict]) -> str:
    names = [verdict.subject for verdict in group if isinstance(verdict.subject, str)]
    return f"{join_names(names)}: {escape_line(group[0].message)}"


def finding_line(verdict: Verdict) -> str:
    """One finding on one line: subject, message, place and the requests that showed it."""
    subject = f"{escape_line(verdict.subject)}: " if isinstance(verdict.subject, str) else ""
    place = f"  {escape_line(str(verdict.origin))}" if isinstance(verdict.origin, Origin) else ""
    requests = f"  ({', '.join(map(escape_line, verdict.requests))})" if verdict.requests else ""
    return f"{subject}{escape_line(verdict.message)}{place}{requests}"


def remedy_line(rule: str, audit_rule: AuditRule) -> str:
    """What to do, and a link to the documentation."""
    return f"Do: {audit_rule.remedy} ({audit_docs_url(rule)})"


def proof_line(proof: Proof) -> str:
    """One limit that was tested, on one line."""
    request = f"  ({escape_line(proof.request)})" if isinstance(proof.request, str) else ""
    value = format_value(proof.value, ("strict_mode_config",))
    cap = f"{format_path(proof.cap)}: {value}"
    return f"{RESULTS[proof.result]:<12}  {cap}  {escape_line(proof.because)}{request}"


def proof_lines(audit: AuditReport) -> dict[str, list[str]]:
    """The lines of each collection's limits; empty without --prove."""
    result: dict[str, list[str]] = {}
    for proof in audit.proofs if isinstance(audit.proofs, tuple) else ():
        result.setdefault(escape_line(proof.address), []).append(proof_line(proof))
    return result


def audited_place(audit: AuditReport) -> str:
    """What was audited: `https://… (Qdrant 1.16.3)`, or the files alone."""
    if not isinstance(audit.server, AuditedServer):
        return "files alone"
    version = f"Qdrant {audit.server.version}" if audit.server.version else "version unknown"
    return f"{escape_line(audit.server.url)} ({escape_line(version)})"


def audit_summary(audit: AuditReport) -> str:
    """The totals in one line, for logs."""
    tally = audit.tally
    findings = (
        count_noun(tally.errors, "error"),
        count_noun(tally.warnings, "warning"),
        count_noun(tally.notes, "note"),
    )
    rest = (
        f"{tally.passed} passed",
        f"{tally.not_applicable} not applicable",
        f"{tally.cannot_be_seen} cannot be seen",
    )
    return f"Audit: {', '.join(findings)}; {', '.join(rest)}."
