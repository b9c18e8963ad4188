"""Specs as trees: read, replace and merge the values at their paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.spec import Path


def get_at(tree: Json, path: Path) -> Json:
    """The value at `path`, or ABSENT."""
    for word in path:
        if not isinstance(tree, Mapping) or word not in tree:
            return ABSENT
        tree = tree[word]
    return tree


def put_at(tree: Mapping[str, Json], path: Path, value: Json) -> dict[str, Json]:
    """A copy of `tree` with `value` at `path`, or without it if ABSENT; empty sections go."""
    head, rest = str(path[0]), path[1:]
    inner = tree.get(head, {})
    if rest:
        below = inner if isinstance(inner, Mapping) else {}
        value = put_at(below, rest, value) or ABSENT
    return {k: v for k, v in {**tree, head: value}.items() if v is not ABSENT}


def leaf_paths(tree: Json, path: Path = ()) -> Iterator[Path]:
    """The path of every value of `tree` that is no section."""
    if not isinstance(tree, Mapping):
        yield path
        return
    for word, inner in tree.items():
        yield from leaf_paths(inner, (*path, word))


def merge_trees(spec: Mapping[str, Json], other: Mapping[str, Json]) -> Mapping[str, Json]:
    """Both trees as one; where their values differ, that of `spec` wins. Lists are joined."""
    result = dict(other)
    for key, value in spec.items():
        other_value = other.get(key)
        if isinstance(value, Mapping) and isinstance(other_value, Mapping):
            result[key] = merge_trees(value, other_value)
        elif isinstance(value, list) and isinstance(other_value, list):
            result[key] = value + [entry for entry in other_value if entry not in value]
        else:
            result[key] = value
    return result
