"""Every place of a collection's spec, as paths in which `*` stands for a key of a map."""

from __future__ import annotations

from qdrantctl.kinds.collection import payload_indexes
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.spec import FieldTree, Path, Spec, field_tree_of

Pattern = tuple[str, ...]
SHAPE = field_tree_of(Collection)


def patterns(shape: FieldTree, path: Pattern = ()) -> set[Pattern]:
    """Every leaf, every section that the server takes as one, and every map's keys."""
    found = (
        {path} if shape.is_leaf or (shape.rule.replaced_as_unit and path[-1:] != ("*",)) else set()
    )
    for name, inner in shape.fields.items():
        found |= patterns(inner, (*path, name))
    if shape.entries is not None:
        found |= {(*path, "*")} | patterns(shape.entries, (*path, "*"))
    return found


def pattern(path: Path) -> Pattern:
    """A path with `*` for the keys of maps."""
    found: list[str] = []
    here: FieldTree = SHAPE
    for word in path:
        found.append("*" if here.entries is not None else str(word))
        here = here.entries or here.fields[str(word)]
    return tuple(found)


def index_fields() -> set[Pattern]:
    """Payload indexes: each type, and below it what this type takes."""
    specs = {
        value.__name__.lower(): value
        for value in vars(payload_indexes).values()
        if isinstance(value, type) and issubclass(value, Spec)
    }
    found: set[Pattern] = set()
    for kind in payload_indexes.TYPES:
        found |= {(kind,)} | {(kind, *below) for below in patterns(field_tree_of(specs[kind]))}
    return found
