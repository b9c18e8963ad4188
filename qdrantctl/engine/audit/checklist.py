"""The whole audit: the verdicts of every rule, with the severities of the project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from qdrantctl.engine.audit import access, collections, https, network, proof
from qdrantctl.engine.audit.text import Check, not_applicable, not_visible
from qdrantctl.model.audit.evidence import Evidence
from qdrantctl.model.audit.report import Verdict
from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.violation import Severity

OFFLINE = "no server was contacted (--offline)"
_WITHOUT_SERVER = ("QA207", "QA208", "QA3", "QA4", "QA5")
"""Rules that also have a verdict without a server."""


def judge_evidence(
    evidence: Evidence, severities: Mapping[str, Severity], now: datetime
) -> tuple[Verdict, ...]:
    """At least one verdict for each rule, in the order of the rules."""
    checks = {
        **https.https_checks(now),
        **access.ACCESS_CHECKS,
        **network.NETWORK_CHECKS,
        **collections.COLLECTION_CHECKS,
        **proof.LIMIT_PROBES,
    }
    return tuple(
        verdict
        for rule in AUDIT_RULES
        for verdict in _weigh_verdicts(rule, checks[rule], evidence, severities.get(rule))
    )


def _weigh_verdicts(
    rule: str, check: Check, evidence: Evidence, severity: Severity | None
) -> Iterator[Verdict]:
    """A rule's verdicts. A rule that is turned off is reported as not applicable."""
    if severity is Severity.OFF:
        yield not_applicable(rule, "the project file turns this rule off")
        return
    if evidence.posture is None and not rule.startswith(_WITHOUT_SERVER):
        yield not_visible(rule, OFFLINE)
        return
    for verdict in check(evidence):
        yield verdict.model_copy(update={"severity": severity}) if severity else verdict
