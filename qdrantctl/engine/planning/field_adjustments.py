"""Adjustments beyond a single field: a node that is down, an interrupted apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qdrantctl.engine.planning.compare import pending_spec
from qdrantctl.engine.planning.drift_policy import is_external_change
from qdrantctl.model.change import Cause, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json, json_equal
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import FieldTree


def refuse_unreadable(
    fields: Iterable[FieldChange], unread: Mapping[str, str]
) -> tuple[FieldChange, ...]:
    """Refuse changes to fields that could not be read while a node is down.

    `unread` holds the cause by the top-level name of a field.
    """
    return tuple(
        field.model_copy(
            update={
                "effect": Effect.REFUSED,
                "because": f"not known while a node is down ({unread[str(field.path[0])]})",
            }
        )
        if field.effect > Effect.KEPT and str(field.path[0]) in unread
        else field
        for field in fields
    )


def credit_interrupted_apply(
    shape: FieldTree, fields: Iterable[FieldChange], applied: Resource
) -> tuple[FieldChange, ...]:
    """Values that an interrupted apply has set, or had planned, count as edits, not as drift."""
    pending = pending_spec(applied)
    return tuple(_credit_field(shape, field, applied.spec, pending) for field in fields)


def _credit_field(
    shape: FieldTree, field: FieldChange, finished: Mapping[str, Json], pending: Mapping[str, Json]
) -> FieldChange:
    if shape.value_at(finished, field.path) is ABSENT:
        # Only the interrupted apply was to add it, so another user cannot have changed it.
        return field.model_copy(update={"recorded": ABSENT, "cause": Cause.EDIT})
    value = shape.value_at(pending, field.path)
    if is_external_change(field) and value is not ABSENT and json_equal(value, field.live):
        return field.model_copy(update={"cause": Cause.EDIT})
    return field
