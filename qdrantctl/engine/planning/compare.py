"""The comparison of a resource: desired, live and last-applied state, with every difference.

The planner, drift, the merge of `import --update` and the read-back of apply all compare here. So
the read-back reports what a plan computed now would still change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from qdrantctl.engine.diff import (
    DiffContext,
    KnownDiffs,
    created_fields,
    diff,
    diff_states,
    is_within,
)
from qdrantctl.engine.judge import is_equal
from qdrantctl.engine.planning.recorded_spec import ignored_paths
from qdrantctl.model.change import Action, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.kind import Kind
from qdrantctl.model.paths import merge_trees
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec import FieldTree, Path, field_tree_of
from qdrantctl.model.spec_memo import SpecMemo


@frozen
class Comparison:
    """The differences between a spec and the live resource, with their context."""

    fields: tuple[FieldChange, ...]
    """Every difference, worst and harmless alike, in the order of the spec."""
    expanded: Mapping[str, Json]
    """The spec with the values that it implies on the live resource."""
    context: DiffContext

    @property
    def needed_changes(self) -> tuple[FieldChange, ...]:
        """The differences that a plan changes or refuses."""
        return tuple(field for field in self.fields if field.effect > Effect.KEPT)


def compare_resource(
    desired: Resource,
    live: Resource,
    applied: Resource | None,
    kind: Kind,
    server: Server,
    today: date,
    known: KnownDiffs | None = None,
) -> Comparison:
    """The differences between manifest and cluster; `applied` is this owner's record."""
    context = _diff_context(desired, server, today, known, new=applied is None)
    recorded = applied_spec(applied)
    spelled = kind.respell(desired.spec, live.spec, server)
    expanded = kind.expand(spelled, live.spec, recorded)
    fields = diff(field_tree_of(kind.spec), expanded, live.spec, recorded, context)
    return Comparison(fields, expanded, context)


def compare_since_apply(
    applied: Resource,
    live: Resource,
    desired: Resource | None,
    kind: Kind,
    server: Server,
    today: date,
    known: KnownDiffs | None = None,
) -> Comparison:
    """The differences between the last apply and the cluster, as a plan of the record has them.

    Fields that the record or the manifest ignores are left out. What the record implied was
    applied, too.
    """
    context = _diff_context(applied, server, today, known)
    if desired is not None:
        context = replace(context, ignored=context.ignored | ignored_paths(desired, today))
    spelled = kind.respell(applied.spec, live.spec, server)
    expanded = kind.expand(spelled, live.spec, applied.spec)
    fields = diff(field_tree_of(kind.spec), expanded, live.spec, expanded, context)
    return Comparison(fields, expanded, context)


def compare_with_record(
    desired: Resource,
    applied: Resource,
    kind: Kind,
    server: Server,
    today: date,
    known: KnownDiffs | None = None,
) -> tuple[FieldChange, ...]:
    """The fields in which the manifest differs from the last-applied spec."""
    context = _diff_context(desired, server, today, known)
    spelled = kind.respell(desired.spec, applied.spec, server)
    return diff(field_tree_of(kind.spec), spelled, applied.spec, applied.spec, context)


def compare_specs(
    before: Mapping[str, Json], after: Mapping[str, Json], kind: Kind, server: Server
) -> tuple[FieldChange, ...]:
    """Every difference between two specs: `desired` is its value before, `live` the one after."""
    return diff_states(field_tree_of(kind.spec), before, after, DiffContext(server))


def fields_to_create(
    desired: Resource, kind: Kind, server: Server, known: SpecMemo[tuple[FieldChange, ...]]
) -> tuple[FieldChange, ...]:
    """Every value of a new resource, refused if the server does not support it.

    Resources that share a spec differ in the places of its values alone, so `known` keeps them.
    """
    place = desired.origin_of
    context = DiffContext(server, place=place)

    def list_fields() -> tuple[FieldChange, ...]:
        return created_fields(field_tree_of(kind.spec), desired.spec, context)

    if not desired.origin or desired.layers:
        return list_fields()
    fields = known.recall((desired.spec,), list_fields)
    return tuple(field.placed_at(place(field.path) or desired.origin) for field in fields)


def applied_spec(applied: Resource | None) -> Mapping[str, Json]:
    """The values set by this owner: the recorded spec, and that of an interrupted apply."""
    if applied is None:
        return {}
    pending = pending_spec(applied)
    return merge_trees(applied.spec, pending) if pending else applied.spec


def pending_spec(applied: Resource) -> Mapping[str, Json]:
    """The spec of an interrupted apply; empty if the last apply was finished."""
    spec: Mapping[str, Json] = _pending(applied).get("spec") or {}
    return spec


def is_being_remade(applied: Resource) -> bool:
    """Whether an interrupted apply was making or deleting it, so that all of it may differ."""
    return _pending(applied).get("action") in (Action.CREATE, Action.REPLACE, Action.DELETE)


def is_of_interrupted_apply(shape: FieldTree, path: Path, live: Json, applied: Resource) -> bool:
    """Whether the interrupted apply left `live` at `path`, and not another user.

    It left the value from before or the one that it was to set. Where nothing was recorded before,
    the field is its own.
    """
    before, after = shape.value_at(applied.spec, path), shape.value_at(pending_spec(applied), path)
    rule = list(shape.walk(path))[-1].rule
    if list(path) in _pending(applied).get("passing", ()):
        return True
    if before is ABSENT:
        return after is not ABSENT
    return not is_equal(rule, before, after) and (
        is_within(before, live) or is_equal(rule, live, after)
    )


def _pending(applied: Resource) -> Mapping[str, Json]:
    return (applied.record.pending if applied.record else None) or {}


def _diff_context(
    desired: Resource,
    server: Server,
    today: date,
    known: KnownDiffs | None,
    *,
    new: bool = False,
) -> DiffContext:
    return DiffContext(
        server=server,
        exclusive=frozenset(desired.lifecycle.exclusive),
        ignored=ignored_paths(desired, today),
        place=desired.origin_of,
        new=new,
        known=known or SpecMemo(),
        recreates=desired.lifecycle.replace != "refuse",
    )
