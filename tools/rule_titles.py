"""Titles, severities and remedies in the two pages of rules, from the catalogues of the program."""

from __future__ import annotations

import re

from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.rule_catalog import RULES


def update_rules(text: str) -> str:
    """docs/reference/rules.md with the title of each rule."""
    return re.sub(r"^### (QC\d{3}): .*$", lambda m: f"### {m[1]}: {RULES[m[1]]}", text, flags=re.M)


def update_audit_rules(text: str) -> str:
    """docs/reference/audit-rules.md with title, severity and remedy of each rule."""
    head, *parts = re.split(r"^(?=### QA\d{3}$)", text, flags=re.M)
    return "".join([head, *map(_audit_rule, parts)])


def _audit_rule(section: str) -> str:
    rule = AUDIT_RULES[section[4:9]]
    section = re.sub(
        r"\*\*.*\*\*\n\n\w+\. ",
        lambda _: f"**{rule.title}**\n\n{rule.severity}. ",
        section,
        count=1,
    )
    return re.sub(r"^Do: .*$", lambda _: f"Do: {rule.remedy}", section, flags=re.M)
