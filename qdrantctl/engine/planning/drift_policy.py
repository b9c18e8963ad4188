"""Fields that were changed outside qdrantctl, and the effect of `on_drift: keep` on them."""

from __future__ import annotations

from collections.abc import Sequence

from qdrantctl.model.change import Cause, FieldChange, worst_effect
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.spec import FieldTree, Path

KEPT_AS_IT_IS = "changed outside qdrantctl, on_drift: keep"


def is_external_change(field: FieldChange) -> bool:
    """Whether a plan would revert a change that was made on the cluster."""
    return field.effect > Effect.KEPT and field.cause in (Cause.DRIFT, Cause.BOTH)


def is_kept_drift(field: FieldChange) -> bool:
    """Whether a plan keeps a change that was made on the cluster."""
    return field.effect is Effect.KEPT and field.because == KEPT_AS_IT_IS


def keep_drift(shape: FieldTree, fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """The same fields, with changes that were made on the cluster kept.

    A section that the server replaces as a unit is kept as a unit, and only if no part of it was
    edited. If a new collection is needed in any case, nothing is kept: it is created as declared.
    """
    edited = {
        _sent_unit(shape, f.path)
        for f in fields
        if f.effect > Effect.KEPT and not is_external_change(f)
    }
    result = tuple(
        field.model_copy(update={"effect": Effect.KEPT, "because": KEPT_AS_IT_IS})
        if is_external_change(field)
        and _sent_unit(shape, field.path) not in edited
        and _can_keep_record(shape, field)
        else field
        for field in fields
    )
    return tuple(fields) if worst_effect(result) is Effect.REPLACE else result


def unapplied_paths(shape: FieldTree, fields: Sequence[FieldChange]) -> frozenset[Path]:
    """The paths whose recorded value stays, because the manifest's new value was not applied."""
    return frozenset(
        _sent_unit(shape, f.path) for f in fields if is_kept_drift(f) and f.cause is Cause.BOTH
    )


def _sent_unit(shape: FieldTree, path: Path) -> Path:
    """The part of a spec that is sent and recorded as a unit with the value at `path`."""
    trees = list(shape.walk(path))
    end = next(
        (i for i, s in enumerate(trees, 1) if s.rule.replaced_as_unit or s.rule.merge_before_send),
        len(trees),
    )
    return path[:end]


def _can_keep_record(shape: FieldTree, field: FieldChange) -> bool:
    """Whether the record can keep the value of the field; entries of a keyed list cannot."""
    return field.cause is Cause.DRIFT or not any(s.rule.key for s in shape.walk(field.path))
