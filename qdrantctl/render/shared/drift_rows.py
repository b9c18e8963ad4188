"""The blocks, rows and totals of a drift report, which every format shares."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.drift import Drift, DriftedField, DriftedResource, DriftKind, LastApply
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Origin
from qdrantctl.render.shared.escape import escape_line, format_path, format_value
from qdrantctl.render.shared.plan_rows import FieldRow, origin_text

CHANGED = "Changed since it was applied"
NOT_APPLIED = "Merged but not yet applied"
UNMANAGED = "Changed but not managed"
INTERRUPTED_TITLE = "Interrupted apply"

_SIGNS = {
    DriftKind.GONE: "-",
    DriftKind.RECREATED: "-/+",
    DriftKind.NEW: "+",
    DriftKind.APPEARED: "+",
    DriftKind.LEFT: "-",
}
_SHORT_SHA = 12


def drift_blocks(drift: Drift) -> Iterator[tuple[str, tuple[DriftedResource, ...]]]:
    """The blocks that hold anything, each with its title."""
    pending = drift.not_applied if isinstance(drift.not_applied, tuple) else ()
    blocks = (
        (CHANGED, drift.changed),
        (NOT_APPLIED, pending),
        (UNMANAGED, drift.unmanaged),
        (INTERRUPTED_TITLE, drift.interrupted),
    )
    yield from ((title, block) for title, block in blocks if block)


def drift_remarks(drift: Drift) -> Iterator[str]:
    """Remarks that belong to no block, a line each."""
    if drift.lost and drift.not_applied is ABSENT:
        yield (
            f"The ledger on the cluster has no owner {escape_line(drift.owner)}: nothing was ever "
            "applied under that name, or its records are lost."
        )
    elif drift.lost:
        yield (
            f"Records are missing: {escape_line(drift.owner)} was applied, and the ledger on the "
            "cluster "
            "does not hold it. The next qdrantctl apply records what matches the manifests."
        )
    if drift.not_applied is ABSENT:
        yield f"{NOT_APPLIED}: not compared, no manifests were found."
    yield from (f"Note: {escape_line(note)}." for note in drift.notes)


def drift_headline(drift: Drift) -> str:
    """`Drift: 2 changed since applied, 1 not yet applied, 3 not managed.` Counts resources."""
    counts = drift.counts
    parts = [f"{counts.changed} changed since applied"]
    if drift.not_applied is not ABSENT:
        parts.append(f"{counts.not_applied} not yet applied")
    parts.append(f"{counts.unmanaged} not managed")
    more = ((counts.interrupted, "interrupted"), (counts.known, "in the baseline"))
    parts += [f"{number} {label}" for number, label in more if number]
    if drift.lost:
        parts.append("the ledger is lost" if drift.not_applied is not ABSENT else "no such owner")
    return f"{'Drift' if drift.has_drift else 'No drift'}: {', '.join(parts)}."


def drift_summary(drift: Drift) -> str:
    """The headline with owner and server, for logs."""
    verdict, _, counts = drift_headline(drift).partition(": ")
    return f"{verdict}: {escape_line(drift.owner)} on {escape_line(drift.server.url)}: {counts}"


def drift_sign(resource: DriftedResource) -> str:
    """The sign of a change to a resource, as in a plan."""
    return _SIGNS.get(resource.what, "~")


def drift_suffix(resource: DriftedResource) -> str:
    """Further facts about a resource, printed after its address."""
    parts = [escape_line(resource.because)] if resource.because else []
    if isinstance(last_apply := resource.applied, LastApply):
        who = f" by {escape_line(last_apply.who)}" if last_apply.who else ""
        commit = f" from {escape_line(last_apply.commit[:_SHORT_SHA])}" if last_apply.commit else ""
        parts.append(f"applied {escape_line(last_apply.when)}{who}{commit}")
    parts += ["in the baseline"] if resource.known and not resource.fields else []
    return "; ".join(parts)


def drift_field_rows(resource: DriftedResource) -> tuple[FieldRow, ...]:
    """The fields of a resource: values before and now."""
    return tuple(_drift_row(field) for field in resource.fields)


def _drift_row(field: DriftedField) -> FieldRow:
    before, now = format_value(field.before, field.path), format_value(field.now, field.path)
    if field.before is ABSENT:
        sign, change = "+", f"= {now}"
    else:
        sign, change = "-" if field.now is ABSENT else "~", f": {before} -> {now}"
    notes = [escape_line(field.because)] if field.because else []
    notes += ["in the baseline"] if field.known else []
    origin = field.origin if isinstance(field.origin, Origin) else None
    return FieldRow(sign, format_path(field.path), change, tuple(notes), origin_text(origin))
