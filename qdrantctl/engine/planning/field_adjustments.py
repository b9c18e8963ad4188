"""Adjustments beyond a single field: a node that is down, an interrupted apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qdrantctl.engine.planning.compare import is_being_remade, is_of_interrupted_apply
from qdrantctl.model.change import Cause, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect
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
    """Values that an interrupted apply has set, or had planned, count as edits, not as drift.

    Every other field is compared as after a complete apply.
    """
    if is_being_remade(applied):
        return tuple(_as_edit(shape, field, applied) for field in fields)
    return tuple(
        _as_edit(shape, field, applied)
        if is_of_interrupted_apply(shape, field.path, field.live, applied)
        else field
        for field in fields
    )


def _as_edit(shape: FieldTree, field: FieldChange, applied: Resource) -> FieldChange:
    unrecorded = shape.value_at(applied.spec, field.path) is ABSENT
    recorded = {"recorded": ABSENT} if unrecorded else {}
    return field.model_copy(update={"cause": Cause.EDIT, **recorded})
