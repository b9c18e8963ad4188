"""An audit's findings as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

from typing import Any

from qdrantctl.model.audit.report import AuditReport, Verdict, audit_docs_url
from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Origin
from qdrantctl.render.json import render_json
from qdrantctl.render.shared.audit_rows import remedy_line
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.style import PLAIN, Style

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
DEFAULT_LOCATION = "qdrantctl.yaml"
"""The file that findings about the server are attached to: code scanning requires one."""


def audit(audit: AuditReport, _: Style = PLAIN) -> str:
    """One run; its results are the findings."""
    rules = list(AUDIT_RULES)
    results = [
        _sarif_result(verdict, rules, audit) for verdict in audit.verdicts if verdict.is_finding
    ]
    driver = {
        "name": "qdrantctl",
        "semanticVersion": audit.qdrantctl_version,
        "rules": [_sarif_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"qdrantctl audit/{audit.owner}/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return render_json({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_rule(rule: str) -> dict[str, Json]:
    audit_rule = AUDIT_RULES[rule]
    remedy = remedy_line(rule, audit_rule)
    return {
        "id": rule,
        "shortDescription": {"text": audit_rule.title},
        "fullDescription": {"text": f"{audit_rule.section}: {audit_rule.title}."},
        "help": {"text": remedy, "markdown": remedy},
        "defaultConfiguration": {"level": str(audit_rule.severity)},
        "properties": {"tags": ["security"], "docs": audit_docs_url(rule)},
    }


def _sarif_result(verdict: Verdict, rules: list[str], audit: AuditReport) -> dict[str, Any]:
    audit_rule = AUDIT_RULES[verdict.rule]
    subject = f"{escape_line(verdict.subject)}: " if isinstance(verdict.subject, str) else ""
    text = f"{subject}{escape_line(verdict.message)}. {audit_rule.remedy}"
    location: dict[str, Any] = {}
    if isinstance(verdict.origin, Origin):
        location["physicalLocation"] = _physical_location(verdict.origin.file, verdict.origin.line)
    elif audit.project != "-":
        location["physicalLocation"] = _physical_location(DEFAULT_LOCATION, 1)
    if isinstance(verdict.subject, str):
        name = {"fullyQualifiedName": verdict.subject, "kind": "resource"}
        location["logicalLocations"] = [name]
    result: dict[str, Any] = {
        "ruleId": verdict.rule,
        "ruleIndex": rules.index(verdict.rule),
        "kind": "fail",
        "level": str(verdict.severity),
        "message": {"text": text},
    }
    if location:
        result["locations"] = [location]
    if verdict.requests:
        result["properties"] = {"requests": list(verdict.requests)}
    return result


def _physical_location(file: str, line: int) -> dict[str, Json]:
    from urllib.parse import quote

    return {"artifactLocation": {"uri": quote(file)}, "region": {"startLine": line}}
