"""The three-way merge of `import --update`: the spec with which a manifest matches. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from qdrantctl.engine.judge import is_equal
from qdrantctl.engine.planning.compare import applied_spec, compare_resource
from qdrantctl.model.change import FieldChange
from qdrantctl.model.field_rule import ABSENT, FieldRule, Json, json_equal
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import FieldTree, Path, field_tree_of

Leaves = Mapping[Path, Json]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The merged spec, and the fields that keep the manifest's value though the cluster differs."""

    spec: Mapping[str, Json]
    unapplied: tuple[FieldChange, ...] = ()
    """Changed in the manifest alone."""
    conflicts: tuple[FieldChange, ...] = ()
    """Changed on both sides: the operator must decide."""


class ChangedSide(Enum):
    """Which side changed a value since the last apply."""

    CLUSTER = auto()
    MANIFEST = auto()
    BOTH = auto()
    NEITHER = auto()


def merge_live(
    desired: Resource,
    live: Resource,
    context: Context,
    kind: Kind,
    user_set: Callable[[Resource], Mapping[str, Json]],
) -> MergeResult:
    """The desired spec with the changes made on the cluster since the last apply.

    | changed since the last apply | value in the result                            |
    |------------------------------|------------------------------------------------|
    | on the cluster               | the cluster's                                  |
    | in the manifest              | the manifest's, reported as unapplied          |
    | on both sides                | the manifest's, reported as a conflict         |
    | on neither                   | the manifest's; where it has none, what a user |
    |                              | set on the cluster since the last apply        |

    Without a record the cluster's value wins for every difference. `user_set` gives the part of a
    resource's spec that is not a default of the server.
    """
    shape = field_tree_of(kind.spec)
    applied = context.recorded.get(desired.address)
    comparison = compare_resource(desired, live, applied, kind, context.server, context.today)
    differing = comparison.needed_changes
    sides = {
        path: _changed_side(shape, path, desired, live, applied) if applied else ChangedSide.CLUSTER
        for path in (shape.field_path(field.path) for field in differing)
    }
    declared, existing = shape.leaves(desired.spec), shape.leaves(live.spec)
    observed = applied.record.observed if applied and applied.record else None
    before = user_set(replace(live, spec=observed)) if observed else {}
    added = _added_leaves(shape, user_set(live), before, declared, comparison.context.ignored)
    parts = _leaf_prefixes(existing)
    leaves: dict[Path, Json] = {}
    for path in {**declared, **existing}:
        match _changed_side_of(path, sides):
            case ChangedSide.CLUSTER if path in existing:
                leaves[path] = existing[path]
            case ChangedSide.CLUSTER:
                # A section may exist even after its last value was removed.
                leaves |= {part: {} for part, _ in _unit_paths(shape, path) if part in parts}
            case _ if path in declared:
                leaves[path] = declared[path]
            case ChangedSide.NEITHER if path in added:
                leaves[path] = added[path]
    return MergeResult(
        shape.build(leaves),
        tuple(_kept_differences(shape, differing, desired.spec, sides, ChangedSide.MANIFEST)),
        tuple(_kept_differences(shape, differing, desired.spec, sides, ChangedSide.BOTH)),
    )


def changed_side(
    rule: FieldRule, desired: Json, live: Json, applied: Json, observed: Json | None
) -> ChangedSide:
    """Which side changed a field in which manifest and cluster differ.

    `observed` is its value on the cluster after the last apply; None where that was not recorded.
    """
    if is_equal(rule, desired, applied):
        return ChangedSide.CLUSTER
    never_recorded = observed is None and applied is ABSENT
    if never_recorded or is_equal(rule, live, applied) or json_equal(live, observed):
        return ChangedSide.MANIFEST
    return ChangedSide.BOTH


def _changed_side(
    shape: FieldTree, path: Path, desired: Resource, live: Resource, applied: Resource
) -> ChangedSide:
    *_, field = shape.walk(path)
    declared, existing, recorded = (
        shape.value_at(spec, path) for spec in (desired.spec, live.spec, applied_spec(applied))
    )
    observed = applied.record.observed if applied.record else None
    observed_value = None if observed is None else shape.value_at(observed, path)
    return changed_side(field.rule, declared, existing, recorded, observed_value)


def _changed_side_of(path: Path, sides: Mapping[Path, ChangedSide]) -> ChangedSide:
    """The side that changed a leaf, or the section or entry that it is part of."""
    prefixes = (path[:end] for end in range(1, len(path) + 1))
    return next((sides[prefix] for prefix in prefixes if prefix in sides), ChangedSide.NEITHER)


def _added_leaves(
    shape: FieldTree, live: Json, before: Json, declared: Leaves, ignored: frozenset[Path]
) -> dict[Path, Json]:
    """The leaves of `live` that are not declared and were not so `before`.

    An entry of a map and a section that the server replaces as one come as a whole.
    """
    stated = _leaf_prefixes(declared)
    added: dict[Path, Json] = {}
    for path, value in shape.leaves(live).items():
        part = _undeclared_part(shape, path, stated)
        if part is None or ignored & {part[:end] for end in range(1, len(part) + 1)}:
            continue
        if not json_equal(shape.value_at(live, part), shape.value_at(before, part)):
            added[path] = value
    return added


def _undeclared_part(shape: FieldTree, path: Path, stated: frozenset[Path]) -> Path | None:
    """The largest unit around `path` that is not declared; None if all of them are."""
    for part, field in _unit_paths(shape, path):
        if part not in stated:
            return part
        if field.rule.replaced_as_unit:
            return None
    return None


def _unit_paths(shape: FieldTree, path: Path) -> Iterator[tuple[Path, FieldTree]]:
    """The units around `path`, which exist or not as a whole: map entries, sections, the leaf."""
    entry = False
    for end, field in enumerate(shape.walk(path), 1):
        if entry or field.rule.replaced_as_unit or field.is_leaf:
            yield path[:end], field
        entry = field.entries is not None


def _leaf_prefixes(leaves: Leaves) -> frozenset[Path]:
    return frozenset(path[:end] for path in leaves for end in range(1, len(path) + 1))


def _kept_differences(
    shape: FieldTree,
    differing: Sequence[FieldChange],
    desired: Json,
    sides: Mapping[Path, ChangedSide],
    side: ChangedSide,
) -> Iterator[FieldChange]:
    """The differences that one side made, with the manifest's value or ABSENT as desired."""
    for field in differing:
        path = shape.field_path(field.path)
        if sides[path] is side:
            absent = shape.value_at(desired, path) is ABSENT
            yield field.model_copy(update={"desired": ABSENT}) if absent else field
