"""Three specs walked along their fields: every difference, with its effect and its cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qdrantctl.engine.judge import Verdict, equal, judge
from qdrantctl.model.change import Cause, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json, Rule, same
from qdrantctl.model.resource import Origin
from qdrantctl.model.server import Server
from qdrantctl.model.spec import Path, Shape, value_inside


@dataclass(frozen=True, slots=True)
class DiffContext:
    """What a walk needs to know beside the three specs."""

    server: Server
    exclusive: frozenset[Path] = frozenset()
    """Maps whose strangers are removed."""
    ignored: frozenset[Path] = frozenset()
    """Fields that are left alone."""
    place: Callable[[Path], Origin | None] = lambda _: None
    """Where a stated value stands."""
    new: bool = False
    """Nothing was recorded of the resource, so nobody can say which side moved."""


def created(shape: Shape, desired: Json, context: DiffContext) -> tuple[FieldChange, ...]:
    """Every stated value of a resource that is to be created, gates checked."""
    return tuple(_stated((), shape, desired, context))


def diff(
    shape: Shape, desired: Json, live: Json, recorded: Json, context: DiffContext
) -> tuple[FieldChange, ...]:
    """Every difference between `desired` and `live`, worst and harmless alike, in spec order."""
    return tuple(_walk((), shape, desired, live, recorded, context, owned=False))


def diff_states(
    shape: Shape, before: Json, now: Json, context: DiffContext
) -> tuple[FieldChange, ...]:
    """Every difference between two states of a resource, whoever asked for them."""
    return tuple(_walk((), shape, before, now, before, context, owned=True))


def _walk(
    path: Path,
    shape: Shape,
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
        yield from _map(path, shape, desired, live, recorded, context, owned)
    elif shape.is_leaf or (shape.rule.whole and (desired is ABSENT or live is ABSENT)):
        yield from _unit(path, shape, desired, live, recorded, context, owned)
    else:
        wanted, there, ours = (shape.as_mapping(side) for side in (desired, live, recorded))
        inside = owned or shape.rule.whole
        for name, inner in shape.fields.items():
            if name not in wanted and (
                name not in there or (name not in ours and inner.is_leaf and not inside)
            ):
                continue  # most fields of most collections: never asked for and never ours
            want, have, had = (side.get(name, ABSENT) for side in (wanted, there, ours))
            yield from _walk((*path, name), inner, want, have, had, context, owned=inside)


def _map(
    path: Path,
    shape: Shape,
    desired: Json,
    live: Json,
    recorded: Json,
    context: DiffContext,
    owned: bool,
) -> Iterator[FieldChange]:
    """Keys of a map are owned one by one, unless the manifest claims the whole map."""
    assert shape.entries is not None
    wanted, there, ours = (shape.as_mapping(side) for side in (desired, live, recorded))
    claimed = owned or shape.rule.whole or path in context.exclusive
    strangers: list[str | int] = []
    for key in sorted({*wanted, *there}, key=lambda word: (isinstance(word, str), word)):
        want, have, had = (side.get(key, ABSENT) for side in (wanted, there, ours))
        if (*path, key) in context.ignored:
            continue
        if want is ABSENT and had is ABSENT and not claimed:
            strangers.append(key)
        elif want is ABSENT or have is ABSENT:
            unit = Shape(shape.rule, shape.entries.fields, shape.entries.entries)
            yield from _unit((*path, key), unit, want, have, had, context, claimed)
        elif shape.entries.is_leaf:
            yield from _leaf((*path, key), shape.rule, want, have, had, context)
        else:
            yield from _walk((*path, key), shape.entries, want, have, had, context, owned=claimed)
    if strangers:
        yield FieldChange(
            path=path, live=strangers, effect=Effect.KEPT, cause=Cause.EDIT, because="not managed"
        )


def _unit(
    path: Path,
    shape: Shape,
    desired: Json,
    live: Json,
    recorded: Json,
    context: DiffContext,
    owned: bool,
) -> Iterator[FieldChange]:
    """A value judged as one: a leaf, or a section or key that is there on one side only."""
    verdict = judge(shape.rule, desired, live, recorded, context.server, owned=owned)
    if verdict.effect > Effect.KEPT and (reason := _closed(shape, desired, context.server)):
        verdict = Verdict(Effect.REFUSED, reason)
    if verdict.effect is Effect.SAME or (verdict.effect is Effect.KEPT and not verdict.because):
        return
    yield _change(path, shape.rule, (desired, live, recorded), verdict, context)


def _leaf(
    path: Path, rule: Rule, desired: Json, live: Json, recorded: Json, context: DiffContext
) -> Iterator[FieldChange]:
    """An opaque value that is there on both sides; nested ones are told apart inside."""
    verdict = judge(rule, desired, live, recorded, context.server)
    if verdict.effect is Effect.SAME:
        return
    if not (isinstance(desired, dict | list) and type(desired) is type(live)):
        yield _change(path, rule, (desired, live, recorded), verdict, context)
        return
    from deepdiff import DeepDiff

    inside: dict[Path, tuple[Json, Json]] = {}
    for group in DeepDiff(live, desired, view="tree").values():
        for item in group:
            where = tuple(item.path(output_format="list"))
            inside[where] = (_present(item.t2), _present(item.t1))
    for where in sorted(inside, key=str):
        before = value_inside(recorded, where)
        yield _change((*path, *where), rule, (*inside[where], before), verdict, context)


def _present(value: Any) -> Json:
    return ABSENT if type(value).__name__ == "NotPresent" else value


def _change(
    path: Path, rule: Rule, sides: tuple[Json, Json, Json], verdict: Verdict, context: DiffContext
) -> FieldChange:
    desired, live, recorded = sides
    told = desired
    if desired is ABSENT and verdict.effect > Effect.KEPT and rule.neutral is not ABSENT:
        told = rule.neutral
    origin = context.place(path) if desired is not ABSENT else None
    found = FieldChange(
        path=path,
        recorded=recorded,
        live=live,
        desired=told,
        effect=verdict.effect,
        cause=_cause(rule, desired, live, recorded, context),
        because=verdict.because,
        loses=rule.loses and desired is ABSENT and verdict.effect > Effect.KEPT,
    )
    more: dict[str, Any] = {"origin": origin} if origin else {}
    if rule.cap and verdict.effect > Effect.KEPT:
        more["direction"] = "loosens" if _looser(rule, desired, live) else "tightens"
    return found.model_copy(update=more) if more else found


def _looser(rule: Rule, desired: Json, live: Json) -> bool:
    """Whether a cap gives way. One that means the same as none is none."""
    want, have = rule.meaning(desired), rule.meaning(live)
    return want is ABSENT or (have is not ABSENT and bool(want > have))


def _cause(rule: Rule, desired: Json, live: Json, recorded: Json, context: DiffContext) -> Cause:
    """Which world moved. A field that was never recorded was newly stated."""
    if context.new:
        return Cause.NEW
    if recorded is ABSENT or equal(rule, recorded, live) or _within(recorded, live):
        return Cause.EDIT
    return Cause.DRIFT if equal(rule, recorded, desired) else Cause.BOTH


def _within(part: Json, whole: Json) -> bool:
    """Whether a section holds what was recorded of it; the server fills in what nobody stated."""
    if not (isinstance(part, Mapping) and isinstance(whole, Mapping)):
        return same(part, whole)
    return all(key in whole and _within(value, whole[key]) for key, value in part.items())


def _stated(path: Path, shape: Shape, desired: Json, context: DiffContext) -> Iterator[FieldChange]:
    if desired is ABSENT:
        return
    inner = shape.fields or None
    if shape.entries is not None:
        for key, value in shape.as_mapping(desired).items():
            entry = shape.entries
            leaf = Shape(shape.rule) if entry.is_leaf else entry
            yield from _stated((*path, key), leaf, value, context)
    elif inner and (desired or not path):
        for name, field in inner.items():
            yield from _stated((*path, name), field, desired.get(name, ABSENT), context)
    else:
        reason = shape.rule.closed(desired, context.server)
        origin = context.place(path)
        found = FieldChange(
            path=path,
            desired=desired,
            effect=Effect.REFUSED if reason else Effect.UPDATE,
            cause=Cause.NEW,
            because=reason,
        )
        yield found.model_copy(update={"origin": origin}) if origin else found


def _closed(shape: Shape, desired: Json, server: Server) -> str:
    """Why this server cannot have something inside `desired`; empty when it can."""
    found = _stated((), shape, desired, DiffContext(server))
    return next((change.because for change in found if change.effect is Effect.REFUSED), "")
