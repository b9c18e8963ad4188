"""What a manifest must say so that it says what the cluster has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from qdrantctl.engine.diff import Lens, diff, keyed
from qdrantctl.engine.planner import applied_by
from qdrantctl.engine.recording import ignored
from qdrantctl.engine.wording import Tree
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.rule import ABSENT, Effect, Json, same
from qdrantctl.model.spec import Path, Shape, shape_of


def received(
    desired: Resource, live: Resource, context: Context, kind: Kind, own: Callable[[Resource], Tree]
) -> Mapping[str, Json]:
    """The desired spec with what apply would change taken from the cluster.

    What nobody states comes along where it moved since the last apply, and where nothing was ever
    applied: then all of it that is not there by itself. `own` gives a spec without what is.
    """
    ours = context.recorded.get(desired.address)
    before = applied_by(ours)
    left_alone = ignored(desired, context.today)
    lens = Lens(context.server, frozenset(desired.lifecycle.exclusive), left_alone)
    shape = shape_of(kind.spec)
    wanted = kind.imply(desired.spec, live.spec, before)
    differing = frozenset(
        change.path
        for change in diff(shape, wanted, live.spec, before, lens)
        if change.effect > Effect.KEPT
    )
    spec = _taken(shape, desired.spec, live.spec, differing)
    spec = {} if spec is ABSENT else spec
    seen = ours.record.observed if ours and ours.record else None
    were = own(replace(live, spec=seen)) if seen else {}
    found = _joined(shape, spec, own(live), were, left_alone)
    assert isinstance(found, dict), "a spec is a section"
    return found


def _taken(shape: Shape, desired: Json, live: Json, differing: frozenset[Path]) -> Json:
    """`desired` with the values of `live` at the paths in which they differ."""
    if () in differing or (shape.is_leaf and differing):
        return live
    if not differing:
        return desired
    wanted, there = keyed(shape, desired), keyed(shape, live)
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
    says, there, had = keyed(shape, stated), keyed(shape, live), keyed(shape, seen)
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
