"""The audit report: a verdict for each rule of the checklist, and the proofs of `--prove`."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Any

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity

AUDIT_FORMAT = "1.0"
"""Version of the report's format: additions raise the minor number, other changes the major."""
DOCS = "docs/reference/audit-rules.md"
WEIGHTS = (Severity.NOTE, Severity.WARNING, Severity.ERROR)


class Answer(StrEnum):
    """The result of a rule of the checklist."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    CANNOT_BE_SEEN = "cannot_be_seen"
    """Not from outside the server, or not with the given key."""


class Verdict(LazyModel):
    """The result of one rule, for the server or for one resource or file."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rule: str = Field(description="Stable id, e.g. QA201.")
    answer: Answer = Field(description="pass, fail, not_applicable or cannot_be_seen.")
    severity: Severity = Field(description="Its severity if the answer is fail.")
    subject: str | MISSING = Field(
        default=ABSENT, description="The resource; left out for the server or project."
    )
    message: str = Field(description="The observation, or why the rule could not be checked.")
    requests: tuple[str, ...] = Field(default=(), description="The probes that observed it.")
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line, if it has any.")

    @property
    def is_finding(self) -> bool:
        """Whether it is a finding."""
        return self.answer is Answer.FAIL


class Result(StrEnum):
    """The result of probing a limit."""

    ENFORCED = "enforced"
    NOT_ENFORCED = "not_enforced"
    NOT_PROVABLE = "not_provable"
    """Configured, but no harmless request can prove it."""


class Proof(LazyModel):
    """The proof of one limit of one collection."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`collection/name`.")
    cap: tuple[str, ...] = Field(description="Path below strict_mode_config.")
    value: Any = Field(description="The configured value.")
    result: Result = Field(description="enforced, not_enforced or not_provable.")
    request: str | MISSING = Field(
        default=ABSENT, description="The request that was sent; left out if none was sent."
    )
    because: str = Field(description="The server's response, or why no request was sent.")


class AuditedServer(LazyModel):
    """The audited server."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: str = Field(description="Scheme, host and port.")
    version: str = Field(description="Its version; empty if it does not report it.")


class RenderedRule(LazyModel):
    """A rule as the report describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    title: str = Field(description="What it requires.")
    section: str = Field(description="The part of the checklist that it belongs to.")
    remedy: str = Field(description="What to do if it fails.")
    docs: str = Field(description="The page that explains it, from the top of the repository.")

    @classmethod
    def of(cls, rule: str) -> RenderedRule:
        """The description of a rule from the catalogue."""
        entry = AUDIT_RULES[rule]
        return cls(
            title=entry.title, section=entry.section, remedy=entry.remedy, docs=audit_docs_url(rule)
        )


class Tally(LazyModel):
    """The number of verdicts of each answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    errors: int = Field(description="Failed, with severity error.")
    warnings: int = Field(description="Failed, with severity warning.")
    notes: int = Field(description="Failed, with severity note.")
    passed: int = Field(description="Passed.")
    not_applicable: int = Field(description="Rules that do not apply.")
    cannot_be_seen: int = Field(description="Rules that cannot be checked from here.")


class AuditReport(LazyModel):
    """The verdicts on every rule of the checklist."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=AUDIT_FORMAT, description="Version of this format.")
    qdrantctl_version: str = Field(description="Version of the program that created it.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    server: AuditedServer | MISSING = Field(
        default=ABSENT, description="Left out if no server was read (--offline)."
    )
    fail_on: Severity = Field(
        description="The lowest severity of a finding for which the exit code is 2."
    )
    verdicts: tuple[Verdict, ...] = Field(description="In the order of their rules.")
    proofs: tuple[Proof, ...] | MISSING = Field(
        default=ABSENT, description="Every limit of every collection; left out without --prove."
    )

    @property
    def owner(self) -> str:
        """Project and environment together."""
        return f"{self.project}/{self.environment}"

    @property
    def tally(self) -> Tally:
        """The number of verdicts of each answer."""
        answers = Counter(verdict.answer for verdict in self.verdicts)
        weights = Counter(verdict.severity for verdict in self.verdicts if verdict.is_finding)
        return Tally(
            errors=weights[Severity.ERROR],
            warnings=weights[Severity.WARNING],
            notes=weights[Severity.NOTE],
            passed=answers[Answer.PASS],
            not_applicable=answers[Answer.NOT_APPLICABLE],
            cannot_be_seen=answers[Answer.CANNOT_BE_SEEN],
        )

    def counts(self, verdict: Verdict) -> bool:
        """Whether a verdict is a finding that reaches `fail_on`."""
        reached = WEIGHTS.index(verdict.severity) >= WEIGHTS.index(self.fail_on)
        return verdict.is_finding and reached

    @property
    def has_findings(self) -> bool:
        """Whether there are findings that count, so that the exit code is 2."""
        return any(self.counts(verdict) for verdict in self.verdicts)

    def document(self) -> dict[str, Any]:
        """The report as JSON (`schemas/audit.json`)."""
        plain = self.model_dump(mode="json")
        rules = {rule: RenderedRule.of(rule).model_dump(mode="json") for rule in AUDIT_RULES}
        summary = self.tally.model_dump(mode="json")
        return plain | {"rules": rules, "summary": summary, "findings": self.has_findings}


def audit_docs_url(rule: str) -> str:
    """The page and section that explain a rule."""
    return f"{DOCS}#{rule.lower()}"
