"""The report of an upgrade check as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.resource import Origin
from qdrantctl.model.upgrade import Topic, UpgradeFinding, UpgradeReport, UpgradeSubject
from qdrantctl.model.violation import Severity
from qdrantctl.render.shared.ansi import Paint
from qdrantctl.render.shared.escape import count_noun, escape_line, format_path, join_names

TITLES = {
    Topic.ORDER: "Order of the upgrade",
    Topic.REFUSED: "Refused by the target",
    Topic.SNAPSHOTS: "Snapshots",
    Topic.MEANING: "Behaves in another way",
    Topic.METRICS: "Metrics",
    Topic.DEPRECATED: "Deprecated",
    Topic.IN_PLACE: "Possible in place",
    Topic.NO_WAY_BACK: "No way back",
}
MOST_PLACES = 5
"""Places that a finding lists."""
_INDENT = " " * 11
_NOUNS = {
    "manifests": "manifest",
    "live": "live resource",
    "recorded": "ledger record",
    "snapshots": "snapshot",
}


def upgrade_lines(report: UpgradeReport, paint: Paint) -> Iterator[str]:
    """The versions, every finding below its topic, and the totals."""
    server = f" at {escape_line(report.url)}" if report.url else ", the manifests alone"
    yield paint(
        f"{escape_line(report.project)}/{escape_line(report.environment)}: "
        f"Qdrant {report.current} -> {report.target}{server}",
        "strong",
    )
    if report.steps:
        yield f"Steps: {' -> '.join((report.current, *report.steps))}"
    examined = (
        count_noun(number, _NOUNS[name]) for name, number in report.examined.items() if number
    )
    yield f"Examined: {', '.join(examined) or 'nothing'}"
    for topic, title in TITLES.items():
        if findings := [finding for finding in report.findings if finding.topic == topic]:
            yield from ("", paint(title, "strong"))
            for finding in findings:
                yield from _finding_lines(finding, paint)
    yield from ("", _total(report))


def _finding_lines(finding: UpgradeFinding, paint: Paint) -> Iterator[str]:
    since = f" ({finding.since})" if finding.since else ""
    severity = paint(f"{finding.severity:<7}", str(finding.severity))
    yield f"  {severity}  {escape_line(finding.message)}{since}"
    placed = [subject for subject in finding.subjects if subject.path or _place(subject)]
    for subject in placed[:MOST_PLACES]:
        yield f"{_INDENT}{paint('-->', 'faint')} {_subject_line(subject)}"
    if len(placed) > MOST_PLACES:
        yield f"{_INDENT}    and {len(placed) - MOST_PLACES} more (all with --format json)"
    if names := [escape_line(s.address) for s in finding.subjects if s not in placed]:
        yield f"{_INDENT}{join_names(names)}"
    if finding.hint:
        yield f"{_INDENT}= {escape_line(finding.hint)}"


def _subject_line(subject: UpgradeSubject) -> str:
    path = f" {format_path(subject.path)}" if subject.path else ""
    return f"{_place(subject)}{escape_line(subject.address)}{path}"


def _place(subject: UpgradeSubject) -> str:
    """`manifests/products.yaml:7:5: `; empty if no file states it."""
    if not isinstance(subject.origin, Origin):
        return ""
    column = f":{subject.column}" if isinstance(subject.column, int) else ""
    return f"{escape_line(str(subject.origin))}{column}: "


def _total(report: UpgradeReport) -> str:
    counts = (
        count_noun(sum(f.severity is severity for f in report.findings), str(severity))
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    )
    return f"{', '.join(counts)}." if report.findings else "Nothing to do."
