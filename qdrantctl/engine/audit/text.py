"""The four answers, each with the rule's own severity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from qdrantctl.model.audit.evidence import Evidence, ProbeResult, ServerExposure
from qdrantctl.model.audit.report import Answer, Verdict
from qdrantctl.model.audit.rules import AUDIT_RULES

Check = Callable[[Evidence], Iterator[Verdict]]
"""Answers one rule."""


def get_exposure(evidence: Evidence) -> ServerExposure:
    """The results of the probes. Only for rules that need a server."""
    assert evidence.posture is not None
    return evidence.posture


def _make_verdict(
    answer: Answer, rule: str, message: str, requests: Iterable[ProbeResult] = (), **more: Any
) -> Verdict:
    severity = more.pop("severity", AUDIT_RULES[rule].severity)
    descriptions = tuple(str(reply) for reply in requests)
    return Verdict(
        rule=rule, answer=answer, severity=severity, message=message, requests=descriptions, **more
    )


def pass_verdict(rule: str, message: str, *requests: ProbeResult, **more: Any) -> Verdict:
    """The rule is met."""
    return _make_verdict(Answer.PASS, rule, message, requests, **more)


def fail_verdict(rule: str, message: str, *requests: ProbeResult, **more: Any) -> Verdict:
    """A finding."""
    return _make_verdict(Answer.FAIL, rule, message, requests, **more)


def not_applicable(rule: str, message: str, *requests: ProbeResult, **more: Any) -> Verdict:
    """The rule does not apply here."""
    return _make_verdict(Answer.NOT_APPLICABLE, rule, message, requests, **more)


def not_visible(rule: str, message: str, *requests: ProbeResult, **more: Any) -> Verdict:
    """The evidence does not show whether the rule is met."""
    return _make_verdict(Answer.CANNOT_BE_SEEN, rule, message, requests, **more)
