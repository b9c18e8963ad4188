"""Safety rules about drift on the cluster, and about the rights of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.engine.planning.compare import is_being_remade
from qdrantctl.engine.planning.drift_policy import is_external_change
from qdrantctl.engine.safety.context import Problem, SafetyInput, from_state
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.consent import Verb
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import canonical_json
from qdrantctl.model.spec import format_field
from qdrantctl.model.violation import Severity, Violation


def check_refused_drift(inputs: SafetyInput) -> Iterator[Problem]:
    """QC212: with on_drift: refuse, the operator decides about drift."""
    for change in inputs.changes:
        drifted = [field for field in change.fields if is_external_change(field)]
        is_deleted = (
            change.action is Action.CREATE
            and change.cause is Cause.DRIFT
            and not _was_being_remade(change, inputs)
        )
        by_qc204 = from_state(change, inputs)
        refuses = inputs.on_drift(change.parsed_address) == "refuse"
        if refuses and (drifted or is_deleted) and not by_qc204:
            verb = "deleted" if is_deleted else "changed"
            details = f" ({'; '.join(map(_describe_drift, drifted))})" if drifted else ""
            yield Problem(
                Violation(
                    rule="QC212",
                    address=change.address,
                    message=f"{change.address} was {verb} outside qdrantctl since it was applied"
                    f"{details}, and on_drift is refuse",
                    hint=_drift_hint(change),
                )
            )


def check_kept_drift(inputs: SafetyInput) -> Iterator[Problem]:
    """QC213: with on_drift: keep, drift is reported and kept."""
    for change in inputs.changes:
        if change.action is Action.NOOP and change.cause in (Cause.DRIFT, Cause.BOTH):
            yield Problem(
                Violation(
                    rule="QC213",
                    severity=Severity.NOTE,
                    address=change.address,
                    message=f"{change.address} is left as it is ({change.because})",
                    hint=_drift_hint(change),
                )
            )


def check_loosened_limits(inputs: SafetyInput) -> Iterator[Problem]:
    """QC214 and QC240: limits that loosen and scopes that widen, if the caller gates them."""
    gates: Mapping[str, tuple[str, Verb, bool]] = {
        "loosens": ("QC214", "loosen", "loosening" in inputs.gates.fail_on),
        "widens": ("QC240", "widen", "widening" in inputs.gates.fail_on),
    }
    for change in inputs.changes:
        if change.action is Action.DELETE and inputs.kinds[change.parsed_address.kind].limits_only:
            yield from _check_lifted_limits(change, inputs)
        for field in change.fields:
            rule, verb, gated = gates.get(str(field.direction), ("", "loosen", False))
            if not gated:
                continue
            entry = f"{{{verb}: {change.address}, until: YYYY-MM-DD, reason: …}}"
            gains = f" ({field.because})" if verb == "widen" else ""
            violation = Violation(
                rule=rule,
                address=change.address,
                message=f"{change.address} would {verb} {format_field(field.path)}{gains}",
                hint=f"If this is intended, add to consents in qdrantctl.yaml {entry}.",
            )
            yield Problem(violation, allowed_by=(verb, change.parsed_address))


def _check_lifted_limits(change: Change, inputs: SafetyInput) -> Iterator[Problem]:
    """QC214: a resource that consists of limits and is deleted."""
    if "loosening" in inputs.gates.fail_on:
        entry = f"{{loosen: {change.address}, until: YYYY-MM-DD, reason: …}}"
        violation = Violation(
            rule="QC214",
            address=change.address,
            message=f"deleting {change.address} lifts its limits",
            hint=f"If this is intended, add to consents in qdrantctl.yaml {entry}.",
        )
        yield Problem(violation, allowed_by=("loosen", change.parsed_address))


def _was_being_remade(change: Change, inputs: SafetyInput) -> bool:
    """Whether it is missing because an apply that was to make it again was interrupted."""
    applied = inputs.context.recorded.get(change.parsed_address)
    return applied is not None and is_being_remade(applied)


def _drift_hint(change: Change) -> str:
    return (
        f"Revert it with apply --revert-drift {change.address}, or adopt it into the "
        f"manifest with import --update {change.address}."
    )


def _describe_drift(field: FieldChange) -> str:
    was, now = (
        "nothing" if value is ABSENT else canonical_json(value)
        for value in (field.recorded, field.live)
    )
    return f"{format_field(field.path)}: {was} -> {now}"
