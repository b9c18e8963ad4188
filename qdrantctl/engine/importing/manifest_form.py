"""Live specs in the manifest's notation: without server defaults, in short forms. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from qdrantctl.model.field_rule import ABSENT, Json, json_equal
from qdrantctl.model.resource import canonical_json
from qdrantctl.model.spec import FieldTree, Path

ENOUGH = 3
"""Resources needed before a value that all but one share counts as a server default."""

JsonTree = Mapping[Any, Json]


def unreliable_defaults(
    unset: JsonTree, witnesses: Sequence[JsonTree], path: Path = ()
) -> frozenset[Path]:
    """The paths where the live resources have other server defaults than `unset`.

    A server may have configured defaults that it does not report. They are inferred where all
    resources, or all but one, have another value.
    """
    unreliable: set[Path] = set()
    for key, value in unset.items():
        values = [witness[key] for witness in witnesses if key in witness]
        if isinstance(value, Mapping):
            unreliable |= unreliable_defaults(value, values, (*path, key))
        elif _is_contradicted(value, values):
            unreliable.add((*path, key))
    return frozenset(unreliable)


def _is_contradicted(value: Json, values: Sequence[Json]) -> bool:
    other_values = Counter(canonical_json(item) for item in values if not json_equal(item, value))
    most = max(other_values.values(), default=0)
    return 0 < most >= len(values) - (len(values) >= ENOUGH)


def without_defaults(
    shape: FieldTree,
    spec: Json,
    unset: JsonTree,
    doubts: frozenset[Path] = frozenset(),
    path: Path = (),
) -> Json:
    """`spec` without server defaults, and without sections of defaults alone."""
    result: dict[Any, Json] = {}
    for key, value in shape.as_mapping(spec).items():
        key_path = (*path, key)
        default, inner, remaining = unset.get(key, ABSENT), shape.child(key), value
        if isinstance(default, Mapping) and inner is not None:
            remaining = without_defaults(inner, value, default, doubts, key_path) or ABSENT
        elif default is not ABSENT and json_equal(value, default) and key_path not in doubts:
            remaining = ABSENT
        if remaining is not ABSENT:
            result[key] = remaining
    return list(result.values()) if shape.is_list else result


def to_manifest_form(shape: FieldTree, value: Json) -> Json:
    """A canonical value in the manifest's notation: short forms where possible, maps sorted."""
    result: Json
    if shape.fields and isinstance(value, Mapping):
        result = {
            key: to_manifest_form(inner, value[key])
            for key, inner in shape.fields.items()
            if key in value
        }
    elif shape.entries is not None and isinstance(value, Mapping):
        result = {key: to_manifest_form(shape.entries, value[key]) for key in sorted(value)}
    elif shape.entries is not None and isinstance(value, list):
        result = [to_manifest_form(shape.entries, entry) for entry in value]
    else:
        return _sort_opaque(value)
    short = shape.rule.shorthand_key
    if isinstance(result, dict) and short is not None and result.keys() == {short}:
        return _single_value(result)
    if shape.rule.value_member and isinstance(result, dict):
        return [_single_member(shape, {}, *entry) for entry in result.items()]
    return result


def _single_member(shape: FieldTree, stated: JsonTree, key: Json, value: Json) -> Json:
    """An entry of a list whose entries have one value besides their key."""
    return {**stated, shape.rule.key: key, shape.rule.value_member: value}


def _single_value(section: Mapping[Any, Json]) -> Json:
    """The value of the only key; a list with one entry becomes that entry."""
    [value] = section.values()
    if not isinstance(value, list):
        return value
    return value[0] if len(value) == 1 else dict(section)


def _sort_opaque(value: Json) -> Json:
    """An opaque value with sorted keys: the server returns them in any order."""
    if isinstance(value, Mapping):
        return {key: _sort_opaque(value[key]) for key in sorted(value)}
    return [_sort_opaque(entry) for entry in value] if isinstance(value, list) else value


def rewrite_in_place(shape: FieldTree, stated: Json, before: Json, after: Json) -> Json:
    """`after` in the notation of `stated`, which means `before`; equal parts stay as written."""
    if after is ABSENT or json_equal(before, after):
        return after if after is ABSENT else stated
    if isinstance(stated, Mapping) and isinstance(before, Mapping) and isinstance(after, Mapping):
        short = shape.rule.shorthand_key
        if short is None or short not in before or shape.key_in(stated, short) is not None:
            return _rewrite_mapping(shape, stated, before, after)
        if shape.entries is not None and after.keys() == {short}:
            return rewrite_in_place(shape.entries, stated, before[short], after[short])
    if shape.rule.key and isinstance(stated, list):
        return _rewrite_list(shape, stated, before, after)
    return to_manifest_form(shape, after)


def _rewrite_mapping(shape: FieldTree, stated: JsonTree, before: JsonTree, after: JsonTree) -> Json:
    """A section or a map, its keys in the order in which they are stated; new ones come last."""
    names: dict[Any, Any] = {shape.key_in(stated, name): name for name in before}
    result: dict[Any, Json] = {}
    for key, value in stated.items():
        name: Any = names.get(key, key)
        inner, was, now = shape.child(name), before.get(name), after.get(name, ABSENT)
        if key in names:
            value = rewrite_in_place(inner, value, was, now) if inner else now
        if value is not ABSENT:
            result[key] = value
    for name, value in after.items():
        if name not in before:
            key, inner = shape.key_in(stated, name), shape.child(name)
            result[name if key is None else key] = (
                to_manifest_form(inner, value) if inner else value
            )
    return result


def _rewrite_list(shape: FieldTree, stated: list[Json], before: Json, after: Json) -> Json:
    """A list with identity, in the order in which it is stated; new entries come last."""
    assert shape.entries is not None
    was, now = shape.as_mapping(before), shape.as_mapping(after)
    names = {shape.key_in(stated, name): name for name in was}
    if shape.rule.value_member:
        stated_entries = {names[position]: entry for position, entry in enumerate(stated)}
        remaining = [name for name in stated_entries if name in now]
        added = [name for name in now if name not in was]
        return [
            _single_member(shape, stated_entries.get(w, {}), w, now[w])
            for w in (*remaining, *added)
        ]
    rewritten = [
        rewrite_in_place(shape.entries, entry, was[names[position]], now[names[position]])
        for position, entry in enumerate(stated)
        if names[position] in now
    ]
    return rewritten + [
        to_manifest_form(shape.entries, entry) for name, entry in now.items() if name not in was
    ]
