"""An audit as JUnit XML: a test case for each verdict, failed where it counts for the exit code."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from qdrantctl.model.audit.report import Answer, AuditReport, Verdict
from qdrantctl.model.audit.rules import AUDIT_RULES, AuditRule
from qdrantctl.render.shared.audit_rows import (
    finding_line,
    group_by_section,
    proof_lines,
    remedy_line,
)
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.style import PLAIN, Style


def audit(audit: AuditReport, _: Style = PLAIN) -> str:
    """One suite for each section of the checklist."""
    root = Element("testsuites", name=f"qdrantctl audit {escape_line(audit.owner)}")
    for section, rules in group_by_section(audit).items():
        suite = SubElement(root, "testsuite", name=section)
        for rule, audit_rule, verdicts in rules:
            for verdict in verdicts:
                _test_case(suite, rule, audit_rule, verdict, audit)
        _set_counts(suite, suite)
    if proofs := proof_lines(audit):
        lines = [line for name, caps in proofs.items() for line in (name, *caps)]
        SubElement(root[-1], "system-out").text = "\n".join(lines)
    _set_counts(root, root)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _test_case(
    suite: Element, rule: str, audit_rule: AuditRule, verdict: Verdict, audit: AuditReport
) -> None:
    subject = f" ({escape_line(verdict.subject)})" if isinstance(verdict.subject, str) else ""
    name = f"{rule} {audit_rule.title}{subject}"
    case = SubElement(suite, "testcase", classname=f"qdrantctl.audit.{rule}", name=name)
    message = finding_line(verdict)
    if audit.counts(verdict):
        failure = SubElement(case, "failure", type=str(verdict.severity), message=message)
        failure.text = remedy_line(rule, AUDIT_RULES[rule])
    elif verdict.is_finding:
        SubElement(case, "system-out").text = f"{verdict.severity}: {message}"
    elif verdict.answer is not Answer.PASS:
        word = verdict.answer.replace("_", " ")
        SubElement(case, "skipped", message=f"{word}: {escape_line(verdict.message)}")


def _set_counts(element: Element, below: Element) -> None:
    """Set the counts of tests, failures and skipped tests, which the format requires."""
    element.set("tests", str(sum(1 for _ in below.iter("testcase"))))
    element.set("failures", str(sum(1 for _ in below.iter("failure"))))
    element.set("errors", "0")
    element.set("skipped", str(sum(1 for _ in below.iter("skipped"))))
