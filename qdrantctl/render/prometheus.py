"""Drift and replacements in Prometheus' text format, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qdrantctl.model.drift import Drift, DriftedResource
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.replacement import Phase
from qdrantctl.model.replacement_status import ReplacementStatuses
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.style import PLAIN, Style

Sample = tuple[dict[str, str], int]
"""Labels and a value."""


def drift(drift: Drift, _: Style = PLAIN) -> str:
    """The drift report as gauges. Without manifests, the unapplied resources are omitted."""
    return (
        "\n".join(line for metric in _drift_metrics(drift) for line in _metric_lines(*metric))
        + "\n"
    )


def replacements(statuses: ReplacementStatuses, _: Style = PLAIN) -> str:
    """The replacements of an owner as gauges."""
    metrics = (line for metric in _replacement_metrics(statuses) for line in _metric_lines(*metric))
    return "\n".join(metrics) + "\n"


def _replacement_metrics(
    statuses: ReplacementStatuses,
) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    rows = [
        ({"owner": statuses.owner, "address": status.address}, status)
        for status in statuses.replacements
    ]
    yield (
        "replacement_phase",
        "The phase of a replacement, 0 (create) to 6 (keep).",
        [
            ({**labels, "phase": str(s.phase), "state": s.state}, list(Phase).index(s.phase))
            for labels, s in rows
        ],
    )
    yield (
        "replacement_points_done",
        "Points of the current phase that are done.",
        [(labels, status.done) for labels, status in rows],
    )
    yield (
        "replacement_points",
        "Points of the old collection when it began.",
        [(labels, status.points) for labels, status in rows],
    )
    yield (
        "replacement_points_per_second",
        "Rate of the current phase.",
        [(labels, round(status.rate)) for labels, status in rows],
    )
    yield (
        "replacement_conflicts",
        "Points that were changed on both sides of the switch.",
        [(labels, status.conflicts) for labels, status in rows],
    )
    yield (
        "replacement_refuses_writes",
        "Whether writes to the old collection are refused for the switch.",
        [(labels, int(status.refuses_writes)) for labels, status in rows],
    )


def _drift_metrics(drift: Drift) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    owner = {"project": drift.project, "environment": drift.environment}
    counts = drift.counts
    yield (
        "drift",
        "Whether there is drift, as reported by exit code 2.",
        [(owner, int(drift.has_drift))],
    )
    blocks = {
        "changed": counts.changed,
        "not_applied": counts.not_applied,
        "unmanaged": counts.unmanaged,
        "interrupted": counts.interrupted,
        "known": counts.known,
    }
    if drift.not_applied is ABSENT:
        del blocks["not_applied"]
    yield (
        "drift_resources",
        "Resources that differ, by block; those in the baseline count as known.",
        [({**owner, "block": block}, number) for block, number in blocks.items()],
    )
    yield (
        "drift_changes",
        "Differences of a resource that are not in the baseline.",
        [
            ({**owner, "block": block, "address": resource.address}, _new_differences(resource))
            for block, resources in (("changed", drift.changed), ("unmanaged", drift.unmanaged))
            for resource in resources
            if not resource.known
        ],
    )
    if isinstance(drift.snapshots, Mapping):
        yield (
            "snapshot_findings",
            "Deviations from the snapshot policies.",
            [({**owner, "finding": word}, n) for word, n in drift.snapshots.items()],
        )
    yield "recorded_resources", "Resources that the ledger holds.", [(owner, drift.recorded)]
    yield "ledger_lost", "Whether records are missing.", [(owner, int(drift.lost))]


def _new_differences(resource: DriftedResource) -> int:
    """Differences that are not in the baseline; a resource that came or went is one."""
    return max(1, sum(not field.known for field in resource.fields))


def _metric_lines(name: str, description: str, samples: Sequence[Sample]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP qdrantctl_{name} {description}"
    yield f"# TYPE qdrantctl_{name} gauge"
    for labels, value in samples:
        label_text = ",".join(f'{label}="{_escape_label(word)}"' for label, word in labels.items())
        yield f"qdrantctl_{name}{{{label_text}}} {value}"


def _escape_label(word: str) -> str:
    r"""A label's value, in which only `\\`, `\"` and `\n` are escapes."""
    return escape_line(word).replace("\\", "\\\\").replace('"', '\\"')
