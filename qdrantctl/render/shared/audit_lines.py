"""The security checklist as text."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.audit.report import Answer, AuditReport
from qdrantctl.render.shared import audit_rows
from qdrantctl.render.shared.ansi import Paint
from qdrantctl.render.shared.escape import escape_line

RULE_INDENT = " " * 15
"""Indents the lines below a rule of the audit."""


def audit_lines(audit: AuditReport, paint: Paint) -> Iterator[str]:
    """The checklist with every verdict, then what `--prove` found."""
    owner = paint(escape_line(audit.owner), "strong")
    yield f"qdrantctl audit: {owner} on {audit_rows.audited_place(audit)}"
    for section, rules in audit_rows.group_by_section(audit).items():
        lines = [paint(section, "strong")]
        for rule, audit_rule, verdicts in rules:
            answer = audit_rows.overall_answer(verdicts)
            failed = answer is Answer.FAIL
            tone = str(audit_rows.heaviest_severity(verdicts)) if failed else "faint"
            severity = f" [{tone}]" if failed else ""
            sign = paint(f"{audit_rows.AUDIT_SIGNS[answer]:<4}", tone)
            below = list(audit_rows.verdict_lines(verdicts))
            tail = f": {below.pop()}" if not failed and len(below) == 1 else severity
            lines.append(f"  {sign}  {rule}  {audit_rule.title}{tail}")
            lines += [f"{RULE_INDENT}{line}" for line in below]
            lines += [f"{RULE_INDENT}{audit_rows.remedy_line(rule, audit_rule)}"] if failed else []
        yield "\n".join(lines)
    if proofs := audit_rows.proof_lines(audit):
        lines = [paint(audit_rows.PROOFS, "strong")]
        for name, caps in proofs.items():
            lines += [f"  {name}", *(f"    {cap}" for cap in caps)]
        yield "\n".join(lines)
    yield paint(audit_rows.audit_summary(audit), "error" if audit.has_findings else "strong")
