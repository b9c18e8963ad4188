"""An audit's report in the words and the order that every format shares."""

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
    docs,
)
from qdrantctl.model.audit.rules import AUDIT_RULES, AuditRule
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Severity
from qdrantctl.render.shared.escape import clean, counted, dotted, listed, shown

SIGNS = {
    Answer.FAIL: "FAIL",
    Answer.CANNOT_BE_SEEN: "?",
    Answer.PASS: "pass",
    Answer.NOT_APPLICABLE: "n/a",
}
"""What stands before a rule: the first of these that is true of anything it was asked of."""
RESULTS = {
    Result.ENFORCED: "enforced",
    Result.NOT_ENFORCED: "NOT ENFORCED",
    Result.NOT_PROVABLE: "not provable",
}
PROOFS = "Caps, tried"


def by_rule(made: AuditReport) -> Iterator[tuple[str, AuditRule, list[Verdict]]]:
    """Every rule with its verdicts."""
    for rule, about in AUDIT_RULES.items():
        if verdicts := [verdict for verdict in made.verdicts if verdict.rule == rule]:
            yield rule, about, verdicts


def by_section(made: AuditReport) -> dict[str, list[tuple[str, AuditRule, list[Verdict]]]]:
    """The same under the heads of the checklist."""
    found: dict[str, list[tuple[str, AuditRule, list[Verdict]]]] = {}
    for rule, about, verdicts in by_rule(made):
        found.setdefault(about.section, []).append((rule, about, verdicts))
    return found


def whole(verdicts: list[Verdict]) -> Answer:
    """The answer of a rule as a whole."""
    given = {verdict.answer for verdict in verdicts}
    return next(answer for answer in SIGNS if answer in given)


def weight(verdicts: list[Verdict]) -> Severity:
    """The severity of a rule's heaviest finding."""
    order = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    given = {verdict.severity for verdict in verdicts if verdict.failed}
    return next(severity for severity in order if severity in given)


def told(verdicts: list[Verdict]) -> Iterator[str]:
    """What is said below a rule: each finding, and the rest in as few lines as possible."""
    alike: dict[tuple[str, ...], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.failed:
            alike.setdefault(_likeness(verdict), []).append(verdict)
    yield from (finding(same[0]) if len(same) == 1 else _together(same) for same in alike.values())
    others = Counter((v.answer, v.message) for v in verdicts if not v.failed)
    passes = [count for (answer, _), count in others.items() if answer is Answer.PASS]
    if passes and (alike or len(passes) > 1):
        yield f"passed: {counted(sum(passes), 'collection')}"
        others = Counter({key: n for key, n in others.items() if key[0] is not Answer.PASS})
    for (_, message), count in others.items():
        times = f" ({counted(count, 'collection')})" if count > 1 else ""
        yield f"{clean(message)}{times}"


def _likeness(verdict: Verdict) -> tuple[str, ...]:
    """What findings share that are told together: the same of collections without a manifest."""
    if isinstance(verdict.origin, Origin):
        return verdict.message, str(verdict.origin), str(verdict.subject)
    return verdict.message, verdict.severity


def _together(same: list[Verdict]) -> str:
    names = [verdict.subject for verdict in same if isinstance(verdict.subject, str)]
    return f"{listed(names)}: {clean(same[0].message)}"


def finding(verdict: Verdict) -> str:
    """One finding on one line: what it is about, what was found, where, and how it was seen."""
    about = f"{clean(verdict.subject)}: " if isinstance(verdict.subject, str) else ""
    place = f"  {clean(str(verdict.origin))}" if isinstance(verdict.origin, Origin) else ""
    seen = f"  ({', '.join(map(clean, verdict.requests))})" if verdict.requests else ""
    return f"{about}{clean(verdict.message)}{place}{seen}"


def remedy(rule: str, about: AuditRule) -> str:
    """What to do, and where more is told."""
    return f"Do: {about.remedy} ({docs(rule)})"


def proof(made: Proof) -> str:
    """One cap that was tried, on one line."""
    sent = f"  ({clean(made.request)})" if isinstance(made.request, str) else ""
    value = shown(made.value, ("strict_mode_config",))
    cap = f"{dotted(made.cap)}: {value}"
    return f"{RESULTS[made.result]:<12}  {cap}  {clean(made.because)}{sent}"


def proofs(made: AuditReport) -> dict[str, list[str]]:
    """The lines of each collection's caps; empty without --prove."""
    found: dict[str, list[str]] = {}
    for tried in made.proofs if isinstance(made.proofs, tuple) else ():
        found.setdefault(clean(tried.address), []).append(proof(tried))
    return found


def place(made: AuditReport) -> str:
    """Where was looked: `https://… (Qdrant 1.16.3)`, or the files alone."""
    if not isinstance(made.server, AuditedServer):
        return "files alone"
    version = f"Qdrant {made.server.version}" if made.server.version else "version unknown"
    return f"{clean(made.server.url)} ({clean(version)})"


def summary(made: AuditReport) -> str:
    """The sum, fit for a log."""
    tally = made.tally
    found = (
        counted(tally.errors, "error"),
        counted(tally.warnings, "warning"),
        counted(tally.notes, "note"),
    )
    rest = (
        f"{tally.passed} passed",
        f"{tally.not_applicable} not applicable",
        f"{tally.cannot_be_seen} cannot be seen",
    )
    return f"Audit: {', '.join(found)}; {', '.join(rest)}."
