"""The audit: every line of the checklist answered, and what `--prove` found. It is its own JSON."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Any

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity

AUDIT_FORMAT = "1.0"
"""Of the report: additions raise the minor number, anything else the major."""
DOCS = "docs/reference/audit-rules.md"
WEIGHTS = (Severity.NOTE, Severity.WARNING, Severity.ERROR)


class Answer(StrEnum):
    """How a line of the checklist is answered."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    CANNOT_BE_SEEN = "cannot_be_seen"
    """From outside, or with what the audit was given."""


class Verdict(BaseModel):
    """One rule's answer, for the server or for one resource or file."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rule: str = Field(description="Stable id, e.g. QA201.")
    answer: Answer = Field(description="pass, fail, not_applicable or cannot_be_seen.")
    severity: Severity = Field(description="What it weighs where the answer is fail.")
    subject: str | MISSING = Field(
        default=ABSENT, description="The resource it is about; left out: the server or project."
    )
    message: str = Field(description="What was found, or why nothing could be.")
    requests: tuple[str, ...] = Field(default=(), description="The probes that showed it.")
    origin: Origin | MISSING = Field(default=ABSENT, description="The line that it is about.")

    @property
    def is_finding(self) -> bool:
        """Whether it is a finding."""
        return self.answer is Answer.FAIL


class Result(StrEnum):
    """What a probe said of a cap."""

    ENFORCED = "enforced"
    NOT_ENFORCED = "not_enforced"
    NOT_PROVABLE = "not_provable"
    """Configured, and no harmless request shows it."""


class Proof(BaseModel):
    """One cap of one collection, tried."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`collection/name`.")
    cap: tuple[str, ...] = Field(description="Path below strict_mode_config.")
    value: Any = Field(description="What is configured.")
    result: Result = Field(description="enforced, not_enforced or not_provable.")
    request: str | MISSING = Field(
        default=ABSENT, description="The request that was sent; left out where none was."
    )
    because: str = Field(description="What the server answered, or why nothing was sent.")


class AuditedServer(BaseModel):
    """The server that was looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: str = Field(description="Scheme, host and port.")
    version: str = Field(description="Its version; empty if it does not report it.")


class RenderedRule(BaseModel):
    """What is told of a rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    title: str = Field(description="What it requires.")
    section: str = Field(description="The part of the checklist that it belongs to.")
    remedy: str = Field(description="What to do where it fails.")
    docs: str = Field(description="The page that explains it, from the top of the repository.")

    @classmethod
    def of(cls, rule: str) -> RenderedRule:
        """What the table of rules says."""
        entry = AUDIT_RULES[rule]
        return cls(
            title=entry.title, section=entry.section, remedy=entry.remedy, docs=audit_docs_url(rule)
        )


class Tally(BaseModel):
    """How often each answer was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    errors: int = Field(description="Failed, with severity error.")
    warnings: int = Field(description="Failed, with severity warning.")
    notes: int = Field(description="Failed, with severity note.")
    passed: int = Field(description="Passed.")
    not_applicable: int = Field(description="Lines that do not apply.")
    cannot_be_seen: int = Field(description="Rules that cannot be checked from here.")


class AuditReport(BaseModel):
    """Every line of the checklist, answered."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=AUDIT_FORMAT, description="Version of this format.")
    qdrantctl_version: str = Field(description="Version of the program that created it.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    server: AuditedServer | MISSING = Field(
        default=ABSENT, description="Left out if no server was read (--offline)."
    )
    fail_on: Severity = Field(description="The severity from which on a finding means exit 2.")
    verdicts: tuple[Verdict, ...] = Field(description="In the order of their rules.")
    proofs: tuple[Proof, ...] | MISSING = Field(
        default=ABSENT, description="Every cap of every collection; left out without --prove."
    )

    @property
    def owner(self) -> str:
        """Project and environment together."""
        return f"{self.project}/{self.environment}"

    @property
    def tally(self) -> Tally:
        """The answers, counted."""
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
        """Whether there are findings: what exit code 2 says."""
        return any(self.counts(verdict) for verdict in self.verdicts)

    def document(self) -> dict[str, Any]:
        """The report as JSON (`schemas/audit.json`)."""
        plain = self.model_dump(mode="json")
        rules = {rule: RenderedRule.of(rule).model_dump(mode="json") for rule in AUDIT_RULES}
        summary = self.tally.model_dump(mode="json")
        return plain | {"rules": rules, "summary": summary, "findings": self.has_findings}


def audit_docs_url(rule: str) -> str:
    """The page that tells of a rule."""
    return f"{DOCS}#{rule.lower()}"
