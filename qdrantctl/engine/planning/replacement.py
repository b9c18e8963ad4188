"""What a replaced collection loses: every live setting that its manifest does not state. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdrantctl.engine.diff import DiffContext, diff_states
from qdrantctl.engine.planning.compare import is_being_remade
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.planning.recorded_spec import ignored_paths
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json, json_equal
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec import FieldTree, Path, field_tree_of

NOT_STATED = "not stated, so the new one starts without it"
LEFT_TO_OTHERS = "lifecycle.ignore leaves it to others, and the new one starts without it"
AS_IN_SNAPSHOT = "as when the snapshot was taken"


def fields_of_replacement(
    fields: Sequence[FieldChange],
    desired: Resource,
    live: Resource,
    applied: Resource | None,
    kind: Kind,
    plan_input: PlanInput,
) -> tuple[FieldChange, ...]:
    """The fields of a replacement: those that differ, then every live setting that goes with it.

    An update in place keeps what no manifest states. A new resource starts without it, so for the
    safety rules it is a change as any other.
    """
    shape = field_tree_of(kind.spec)
    changed = tuple(_without_reason(f) for f in fields if f.effect > Effect.KEPT)
    ignored = ignored_paths(desired, plan_input.today)
    defaults = kind.server_defaults(live.spec, plan_input.server)
    present = _without_unstated_defaults(shape, live.spec, desired.spec, defaults)
    context = DiffContext(plan_input.server, place=desired.origin_of)
    losses = (
        _as_loss(loss, shape, desired, applied, ignored)
        for loss in diff_states(shape, desired.spec, present, context)
        if loss.live is not ABSENT and not any(_overlap(loss.path, f.path) for f in changed)
    )
    return (*changed, *losses)


def as_in_format_1_0(change: Change, saved: Change) -> Change:
    """A change with its fields as a plan of format 1.0 has them, for the comparison with that plan.

    Such a plan named no setting that a replacement loses, and called some of them kept: one that
    still has the value of then counts as the same.
    """
    if change.action is not Action.REPLACE or saved.action is not Action.REPLACE:
        return change
    losses = {f.path: f for f in change.fields if f.because in (NOT_STATED, LEFT_TO_OTHERS)}
    kept = (
        field
        for field in saved.fields
        if field.effect is Effect.KEPT
        and field.path in losses
        and json_equal(field.live, losses[field.path].live)
    )
    others = (field for field in change.fields if field.path not in losses)
    return change.model_copy(update={"fields": (*others, *kept)})


def fields_of_restore(
    snapshot_spec: Mapping[str, Json], live: Resource, kind: Kind, server: Server
) -> tuple[FieldChange, ...]:
    """The settings of a live resource that a restore in its place sets back, or takes away."""
    shape = field_tree_of(kind.spec)
    differences = diff_states(shape, snapshot_spec, live.spec, DiffContext(server))
    return tuple(
        difference.model_copy(
            update={
                "recorded": ABSENT,
                "desired": shape.value_at(snapshot_spec, difference.path),
                "effect": Effect.UPDATE,
                "cause": Cause.NEW,
                "because": AS_IN_SNAPSHOT,
                "destroys_data": False,
            }
        )
        for difference in differences
    )


def _without_reason(field: FieldChange) -> FieldChange:
    """Without the reason of an update in place, which does not happen."""
    is_cause = field.effect in (Effect.REPLACE, Effect.REFUSED)
    return field if is_cause else field.model_copy(update={"because": ""})


def _as_loss(
    loss: FieldChange,
    shape: FieldTree,
    desired: Resource,
    applied: Resource | None,
    ignored: frozenset[Path],
) -> FieldChange:
    is_ignored = any(_overlap(loss.path, path) for path in ignored)
    stated = shape.value_at(desired.spec, loss.path)
    update: dict[str, object] = {
        "desired": stated,
        "effect": Effect.UPDATE,
        "because": LEFT_TO_OTHERS if is_ignored else NOT_STATED,
        "destroys_data": False,
    }
    return loss.model_copy(update=update | _origin_of_change(loss, shape, applied, is_ignored))


def _origin_of_change(
    loss: FieldChange, shape: FieldTree, applied: Resource | None, is_ignored: bool
) -> dict[str, object]:
    """The value after the last apply, and whether another user has changed it since."""
    if applied is None or applied.record is None:
        return {"recorded": ABSENT, "cause": Cause.NEW}
    observed = applied.record.observed
    before = shape.value_at(applied.spec, loss.path)
    if before is ABSENT and observed is not None:
        before = shape.value_at(observed, loss.path)
    is_known = observed is not None and not (is_ignored or is_being_remade(applied))
    is_drift = is_known and (before is ABSENT or not json_equal(before, loss.live))
    return {"recorded": before, "cause": Cause.DRIFT if is_drift else Cause.EDIT}


def _without_unstated_defaults(
    shape: FieldTree,
    live: Mapping[str, Json],
    desired: Mapping[str, Json],
    defaults: Mapping[str, Json],
) -> Json:
    """The live spec without values that the server gives every new resource, unless stated."""
    tree: dict[Any, Json] = dict(live)
    return shape.build(
        {
            path: value
            for path, value in shape.leaves(tree).items()
            if shape.value_at(desired, path) is not ABSENT
            or not json_equal(shape.value_at(defaults, path), value)
        }
    )


def _overlap(first: Path, second: Path) -> bool:
    """Whether one path is the other, or leads to it."""
    return all(a == b for a, b in zip(first, second, strict=False))
