"""What a manifest must say so that it says what the cluster has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from qdrantctl.engine.diff import DiffContext, diff
from qdrantctl.engine.importing.manifest_form import Tree
from qdrantctl.engine.judge import equal
from qdrantctl.engine.planning.compare import applied_spec
from qdrantctl.engine.planning.recorded_spec import ignored
from qdrantctl.model.change import FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json, same
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import Path, Shape, shape_of


@dataclass(frozen=True, slots=True)
class Merged:
    """What a manifest must say, and the fields that are not the cluster's to say."""

    spec: Mapping[str, Json]
    unapplied: tuple[FieldChange, ...] = ()
    """Moved in the manifest alone, which keeps them."""
    conflicts: tuple[FieldChange, ...] = ()
    """Moved on both sides: somebody must say which counts."""


class _Moved(Enum):
    """Which side moved since the last apply."""

    CLUSTER = auto()
    MANIFEST = auto()
    BOTH = auto()


def received(
    desired: Resource, live: Resource, context: Context, kind: Kind, own: Callable[[Resource], Tree]
) -> Merged:
    """The desired spec with what moved on the cluster since the last apply taken from there.

    Where nothing was ever applied, all that differs is taken, and what nobody states comes along
    unless it is there by itself. `own` gives a spec without what is.
    """
    ours = context.recorded.get(desired.address)
    before = applied_spec(ours)
    left_alone = ignored(desired, context.today)
    lens = DiffContext(context.server, frozenset(desired.lifecycle.exclusive), left_alone)
    shape = shape_of(kind.spec)
    wanted = kind.expand(desired.spec, live.spec, before)
    differing = [
        change
        for change in diff(shape, wanted, live.spec, before, lens)
        if change.effect > Effect.KEPT
    ]
    seen = ours.record.observed if ours and ours.record else None
    moved = {change.path: _Moved.CLUSTER for change in differing}
    if ours is not None:
        worlds = (desired.spec, live.spec, before, seen)
        moved = {change.path: _moved(shape, change.path, *worlds) for change in differing}
    taken = frozenset(path for path, who in moved.items() if who is _Moved.CLUSTER)
    held = frozenset(_unit(shape, path) for path in moved if path not in taken)
    spec = _taken(shape, desired.spec, live.spec, taken)
    spec = {} if spec is ABSENT else spec
    were = own(replace(live, spec=seen)) if seen else {}
    found = _joined(shape, spec, own(live), were, left_alone | held)
    assert isinstance(found, dict), "a spec is a section"
    told = [_stated(shape, change, desired.spec) for change in differing]
    return Merged(
        found,
        tuple(change for change in told if moved[change.path] is _Moved.MANIFEST),
        tuple(change for change in told if moved[change.path] is _Moved.BOTH),
    )


def _moved(
    shape: Shape, path: Path, desired: Json, live: Json, recorded: Json, seen: Json | None
) -> _Moved:
    """Which side moved. What lies inside an opaque value moves with it."""
    unit = _unit(shape, path)
    rule = list(shape.along(unit))[-1].rule
    want, have, had = (_value(shape, side, unit) for side in (desired, live, recorded))
    if equal(rule, want, had):
        return _Moved.CLUSTER
    was = had if seen is None else _value(shape, seen, unit)
    never = seen is None and had is ABSENT
    as_it_was = never or equal(rule, have, had) or same(have, was)
    return _Moved.MANIFEST if as_it_was else _Moved.BOTH


def _unit(shape: Shape, path: Path) -> Path:
    """The field that `path` is, or that it lies inside of."""
    return path[: len(list(shape.along(path)))]


def _value(shape: Shape, spec: Json, path: Path) -> Json:
    """What a spec says of a field, in lists with identity as well."""
    for word, inner in zip(path, shape.along(path), strict=True):
        spec = shape.as_mapping(spec).get(word, ABSENT)
        shape = inner
    return spec


def _stated(shape: Shape, change: FieldChange, desired: Json) -> FieldChange:
    """A change as the manifest states it: what is dropped is said by nothing."""
    absent = _value(shape, desired, _unit(shape, change.path)) is ABSENT
    return change.model_copy(update={"desired": ABSENT}) if absent else change


def _taken(shape: Shape, desired: Json, live: Json, differing: frozenset[Path]) -> Json:
    """`desired` with the values of `live` at the paths in which they differ."""
    if () in differing or (shape.is_leaf and differing):
        return live
    if not differing:
        return desired
    wanted, there = shape.as_mapping(desired), shape.as_mapping(live)
    found: dict[Any, Json] = {}
    for key in {**wanted, **there}:
        inner = shape.below(key)
        below = frozenset(path[1:] for path in differing if path[0] == key)
        if inner is not None:
            value = _taken(inner, wanted.get(key, ABSENT), there.get(key, ABSENT), below)
            if value is not ABSENT:
                found[key] = value
    if not found and not shape.rule.whole:
        return ABSENT
    return list(found.values()) if shape.is_list else found


def _joined(
    shape: Shape, stated: Json, live: Json, seen: Json, ignored: frozenset[Path], path: Path = ()
) -> Json:
    """`stated` with what of `live` it does not state and what was not `seen` so before."""
    if path in ignored or live is ABSENT or same(live, seen):
        return stated
    if shape.is_leaf or shape.rule.whole:
        return live if stated is ABSENT else stated
    says, there, had = shape.as_mapping(stated), shape.as_mapping(live), shape.as_mapping(seen)
    found: dict[Any, Json] = dict(says)
    for key, value in there.items():
        inner, said, was = shape.below(key), says.get(key, ABSENT), had.get(key, ABSENT)
        if inner is None:
            continue
        if shape.entries is not None and said is ABSENT:
            moved = (*path, key) not in ignored and not same(value, was)
            said = value if moved else ABSENT
        else:
            said = _joined(inner, said, value, was, ignored, (*path, key))
        if said is not ABSENT:
            found[key] = said
    if not found:
        return stated
    return list(found.values()) if shape.is_list else found
