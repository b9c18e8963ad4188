"""Safety rules about what others decided: what was changed outside, and what clients may do."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.planning.drift_policy import outside
from qdrantctl.engine.safety.context import Scene, from_state
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import canonical
from qdrantctl.model.violation import Severity, Violation


def drift_refused(scene: Scene) -> Iterator[Violation]:
    """Where on_drift is refuse, somebody decides what becomes of what moved."""
    for change in scene.changes:
        moved = [field for field in change.fields if outside(field)]
        gone = change.action is Action.CREATE and change.cause is Cause.DRIFT
        settled = _half_done(change, scene) or from_state(change, scene)  # by QC204
        refuses = scene.on_drift(change.where) == "refuse" and not settled
        if refuses and (moved or gone):
            what = "deleted" if gone else "changed"
            told = f" ({'; '.join(map(_said, moved))})" if moved else ""
            yield Violation(
                rule="QC212",
                address=change.address,
                message=f"{change.address} was {what} outside qdrantctl since it was applied"
                f"{told}, and on_drift is refuse",
                hint=_ways_out(change),
            )


def drift_kept(scene: Scene) -> Iterator[Violation]:
    """Where on_drift is keep, what moved is told and left."""
    for change in scene.changes:
        if change.action is Action.NOOP and change.cause in (Cause.DRIFT, Cause.BOTH):
            yield Violation(
                rule="QC213",
                severity=Severity.NOTE,
                address=change.address,
                message=f"{change.address} is left as it is ({change.because})",
                hint=_ways_out(change),
            )


def given_more(scene: Scene) -> Iterator[Violation]:
    """Caps that give way and scopes that grow, where a pipeline asks to be stopped."""
    gates = {"loosens": ("QC214", "loosen", scene.fail_on_loosening),
             "widens": ("QC240", "widen", scene.fail_on_widening)}  # fmt: skip
    for change in scene.changes:
        for field in change.fields:
            rule, verb, asked = gates.get(str(field.direction), ("", "", False))
            if asked and not scene.consents(verb, change.where):
                entry = f"{{{verb}: {change.address}, until: YYYY-MM-DD, reason: …}}"
                gains = f" ({field.because})" if verb == "widen" else ""
                yield Violation(
                    rule=rule,
                    address=change.address,
                    message=f"{change.address} would {verb} {_named(field)}{gains}",
                    hint=f"If that is meant, add to consents in qdrantctl.yaml {entry}.",
                )


def _half_done(change: Change, scene: Scene) -> bool:
    """Whether an apply was interrupted in it: that is finished first, whoever moved what."""
    ours = scene.context.recorded.get(change.where)
    return ours is not None and ours.record is not None and ours.record.pending is not None


def _ways_out(change: Change) -> str:
    return (
        f"Put it back with apply --revert-drift {change.address}, or take it over into the "
        f"manifest with import --update {change.address}."
    )


def _said(field: FieldChange) -> str:
    was, now = (
        "nothing" if value is ABSENT else canonical(value) for value in (field.recorded, field.live)
    )
    return f"{_named(field)}: {was} -> {now}"


def _named(field: FieldChange) -> str:
    return ".".join(str(word) for word in field.path if word != "")
