"""The comparison of three specs, field by field: each difference with its effect and cause."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from qdrantctl.engine.judge import FieldVerdict, can_remake, is_equal, judge_field
from qdrantctl.model.change import NOT_MANAGED, Cause, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, FieldRule, Json, json_equal
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Origin
from qdrantctl.model.server import Server
from qdrantctl.model.spec import FieldTree, Path, value_inside
from qdrantctl.model.spec_memo import SpecMemo

KnownDiffs = SpecMemo[tuple[FieldChange, ...]]
"""The differences of specs, at the places of the first resource with them."""


@frozen
class DiffContext:
    """What a comparison needs besides the three specs."""

    server: Server
    exclusive: frozenset[Path] = frozenset()
    """Maps whose unmanaged keys are removed."""
    ignored: frozenset[Path] = frozenset()
    """Fields that are not compared."""
    place: Callable[[Path], Origin | None] = lambda _: None
    """The origin of a stated value in its file."""
    new: bool = False
    """The resource has no record, so the side that changed is unknown."""
    known: KnownDiffs = dataclasses.field(default_factory=SpecMemo, compare=False, repr=False)
    """Of resources whose specs are shared."""
    recreates: bool = False
    """A fixed part of a key is changed by replacing the resource, as `lifecycle.replace` says."""


def created_fields(
    shape: FieldTree, desired: Json, context: DiffContext
) -> tuple[FieldChange, ...]:
    """Every stated value of a resource that is to be created, gates checked."""
    return tuple(_stated_fields((), shape, desired, context))


def diff(
    shape: FieldTree, desired: Json, live: Json, recorded: Json, context: DiffContext
) -> tuple[FieldChange, ...]:
    """Every difference between `desired` and `live`, worst and harmless alike, in spec order."""
    return _recall_diff(shape, (desired, live, recorded), context, owned=False)


def diff_states(
    shape: FieldTree, before: Json, now: Json, context: DiffContext
) -> tuple[FieldChange, ...]:
    """Every difference between two states of a resource."""
    if json_equal(before, now):
        return ()
    return _recall_diff(shape, (before, now, before), context, owned=True)


def _recall_diff(
    shape: FieldTree, specs: tuple[Json, Json, Json], context: DiffContext, *, owned: bool
) -> tuple[FieldChange, ...]:
    """The differences of specs, at their places in this file if they were compared before."""
    has_places = context.place(()) is not None
    traits = (
        id(shape), context.server, context.exclusive, context.ignored, context.new,
        context.recreates, owned, has_places,
    )  # fmt: skip
    fields = context.known.recall(
        specs, lambda: tuple(_diff_section((), shape, *specs, context, owned=owned)), *traits
    )
    return tuple(
        change.placed_at(origin)
        if change.origin is not ABSENT and (origin := context.place(change.path))
        else change
        for change in fields
    )


def _diff_section(
    path: Path,
    shape: FieldTree,
    desired: Json,
    live: Json,
    recorded: Json,
    context: DiffContext,
    *,
    owned: bool,
) -> Iterator[FieldChange]:
    if path in context.ignored or (desired is ABSENT and live is ABSENT):
        return
    if shape.entries is not None:
        yield from _diff_map(path, shape, desired, live, recorded, context, owned)
    elif shape.is_leaf or (shape.rule.replaced_as_unit and (desired is ABSENT or live is ABSENT)):
        yield from _diff_unit(path, shape, desired, live, recorded, context, owned)
    else:
        desired_fields, live_fields, recorded_fields = (
            shape.as_mapping(side) for side in (desired, live, recorded)
        )
        inside = owned or shape.rule.replaced_as_unit
        for name, inner in shape.fields.items():
            if name not in desired_fields and (
                name not in live_fields
                or (name not in recorded_fields and inner.is_leaf and not inside)
            ):
                # Most fields of most collections are neither desired nor recorded.
                live_value = live_fields.get(name, ABSENT)
                if inner.rule.is_limit and inner.rule.normalize(live_value) is not ABSENT:
                    yield from _unmanaged((*path, name), live_value, context)
                continue
            inner_desired, inner_live, inner_recorded = (
                side.get(name, ABSENT) for side in (desired_fields, live_fields, recorded_fields)
            )
            yield from _diff_section(
                (*path, name),
                inner,
                inner_desired,
                inner_live,
                inner_recorded,
                context,
                owned=inside,
            )


def _diff_map(
    path: Path,
    shape: FieldTree,
    desired: Json,
    live: Json,
    recorded: Json,
    context: DiffContext,
    owned: bool,
) -> Iterator[FieldChange]:
    """Each key of a map is owned separately, unless the manifest claims the whole map."""
    assert shape.entries is not None
    desired_map, live_map, recorded_map = (
        shape.as_mapping(side) for side in (desired, live, recorded)
    )
    claimed = owned or shape.rule.replaced_as_unit or path in context.exclusive
    unmanaged: list[str | int] = []
    for key in sorted({*desired_map, *live_map}, key=lambda name: (isinstance(name, str), name)):
        desired_value, live_value, recorded_value = (
            side.get(key, ABSENT) for side in (desired_map, live_map, recorded_map)
        )
        if (*path, key) in context.ignored:
            continue
        if desired_value is ABSENT and recorded_value is ABSENT and not claimed:
            unmanaged.append(key)
        elif desired_value is ABSENT or live_value is ABSENT:
            unit = FieldTree(shape.rule, shape.entries.specs, shape.entries.entries)
            yield from _diff_unit(
                (*path, key), unit, desired_value, live_value, recorded_value, context, claimed
            )
        elif shape.entries.is_leaf:
            yield from _diff_leaf(
                (*path, key), shape.rule, desired_value, live_value, recorded_value, context
            )
        else:
            fields = _diff_section(
                (*path, key),
                shape.entries,
                desired_value,
                live_value,
                recorded_value,
                context,
                owned=claimed,
            )
            yield from _remade(fields, key, shape.rule, context)
    if unmanaged:
        yield from _unmanaged(path, unmanaged, context)


def _remade(
    fields: Iterable[FieldChange], key: str | int, rule: FieldRule, context: DiffContext
) -> Iterator[FieldChange]:
    """The differences in a key of a map, the fixed parts as they change where it is made again."""
    is_remade = can_remake(rule, key, context.server) and not context.recreates
    for field in fields:
        if is_remade and field.effect is Effect.REPLACE:
            update = {"effect": Effect.UPDATE, "because": rule.remade_because}
            field = field.model_copy(update=update | {"destroys_data": rule.destroys_data})
        yield field


def _unmanaged(path: Path, live: Json, context: DiffContext) -> Iterator[FieldChange]:
    """A live value that stays as it is, unless `lifecycle.ignore` names it."""
    if path not in context.ignored:
        yield FieldChange(
            path=path, live=live, effect=Effect.KEPT, cause=Cause.EDIT, because=NOT_MANAGED
        )


def _diff_unit(
    path: Path,
    shape: FieldTree,
    desired: Json,
    live: Json,
    recorded: Json,
    context: DiffContext,
    owned: bool,
) -> Iterator[FieldChange]:
    """A value judged as a unit: a leaf, or a section or key that exists on one side only."""
    key = path[-1] if path else None
    verdict = judge_field(shape.rule, desired, live, recorded, context.server, key=key, owned=owned)
    if verdict.effect > Effect.KEPT and (
        reason := _unsupported_inside(shape, desired, context.server)
    ):
        verdict = FieldVerdict(Effect.REFUSED, reason)
    if verdict.effect is Effect.SAME or (verdict.effect is Effect.KEPT and not verdict.because):
        return
    yield _field_change(path, shape.rule, (desired, live, recorded), verdict, context)


def _diff_leaf(
    path: Path, rule: FieldRule, desired: Json, live: Json, recorded: Json, context: DiffContext
) -> Iterator[FieldChange]:
    """An opaque value that exists on both sides; nested values are compared inside."""
    verdict = judge_field(rule, desired, live, recorded, context.server)
    if verdict.effect is Effect.SAME:
        return
    if not (isinstance(desired, dict | list) and type(desired) is type(live)):
        yield _field_change(path, rule, (desired, live, recorded), verdict, context)
        return
    from deepdiff import DeepDiff

    inside: dict[Path, tuple[Json, Json]] = {}
    # By default the library skips keys that begin with two underscores.
    differences = DeepDiff(live, desired, view="tree", ignore_private_variables=False)
    for group in differences.values():
        for item in group:
            inner_path = tuple(item.path(output_format="list"))
            inside[inner_path] = (_is_present(item.t2), _is_present(item.t1))
    for inner_path in sorted(inside, key=str):
        before = value_inside(recorded, inner_path)
        yield _field_change(
            (*path, *inner_path), rule, (*inside[inner_path], before), verdict, context
        )


def _is_present(value: Any) -> Json:
    return ABSENT if type(value).__name__ == "NotPresent" else value


def _field_change(
    path: Path,
    rule: FieldRule,
    sides: tuple[Json, Json, Json],
    verdict: FieldVerdict,
    context: DiffContext,
) -> FieldChange:
    desired, live, recorded = sides
    planned = desired
    if desired is ABSENT and verdict.effect > Effect.KEPT and rule.unset_value is not ABSENT:
        planned = rule.unset_value
    origin = context.place(path) if desired is not ABSENT else None
    change = FieldChange(
        path=path,
        recorded=recorded,
        live=live,
        desired=planned,
        effect=verdict.effect,
        cause=_find_cause(rule, desired, live, recorded, context),
        because=verdict.because,
        destroys_data=rule.destroys_data and desired is ABSENT and verdict.effect > Effect.KEPT,
    )
    optional: dict[str, Any] = {"origin": origin} if origin else {}
    if rule.is_limit and verdict.effect > Effect.KEPT:
        optional["direction"] = "loosens" if _is_looser(rule, desired, live) else "tightens"
    return change.model_copy(update=optional) if optional else change


def _is_looser(rule: FieldRule, desired: Json, live: Json) -> bool:
    """Whether a limit loosens. A value that means the same as no limit counts as none."""
    desired_limit, live_limit = rule.normalize(desired), rule.normalize(live)
    return desired_limit is ABSENT or (
        live_limit is not ABSENT and bool(desired_limit > live_limit)
    )


def _find_cause(
    rule: FieldRule, desired: Json, live: Json, recorded: Json, context: DiffContext
) -> Cause:
    """Which side changed. A field that was never recorded is newly stated."""
    if context.new:
        return Cause.NEW
    if recorded is ABSENT or is_equal(rule, recorded, live) or is_within(recorded, live):
        return Cause.EDIT
    return Cause.DRIFT if is_equal(rule, recorded, desired) else Cause.BOTH


def is_within(part: Json, whole: Json) -> bool:
    """Whether a section contains its recorded values; the server fills in defaults."""
    if not (isinstance(part, Mapping) and isinstance(whole, Mapping)):
        return json_equal(part, whole)
    return all(key in whole and is_within(value, whole[key]) for key, value in part.items())


def _stated_fields(
    path: Path, shape: FieldTree, desired: Json, context: DiffContext
) -> Iterator[FieldChange]:
    if desired is ABSENT:
        return
    if shape.entries is not None:
        for key, value in shape.as_mapping(desired).items():
            entry = shape.entries
            leaf = FieldTree(shape.rule) if entry.is_leaf else entry
            yield from _stated_fields((*path, key), leaf, value, context)
    elif not shape.is_leaf and (desired or not path):
        for name, field in shape.fields.items():
            if name in desired:
                yield from _stated_fields((*path, name), field, desired[name], context)
    else:
        reason = shape.rule.unsupported_reason(desired, context.server)
        origin = context.place(path)
        optional = {"origin": origin} if origin else {}
        yield FieldChange(
            path=path,
            desired=desired,
            effect=Effect.REFUSED if reason else Effect.UPDATE,
            cause=Cause.NEW,
            because=reason,
            **optional,
        )


def _unsupported_inside(shape: FieldTree, desired: Json, server: Server) -> str:
    """Why this server does not support some value inside `desired`; empty if it does."""
    fields = _stated_fields((), shape, desired, DiffContext(server))
    return next((change.because for change in fields if change.effect is Effect.REFUSED), "")
