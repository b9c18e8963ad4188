"""The field reference, `docs/reference/fields.md`, written from the Rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from qdrantctl.kinds.collection.payload_indexes import TYPES
from qdrantctl.model.field_rule import ABSENT, Availability, Effect, FieldRule
from qdrantctl.model.spec import FieldTree
from tests.conformance.places import SHAPE, Pattern, index_fields, pattern
from tests.conformance.rows import ROWS

HEAD = """\
# Fields of a collection

Generated from the rules of the fields and checked by a test (`UPDATE_GOLDEN=1` rewrites the page).
Every row is tested on a real server. `*` stands for a name of your choice. The columns *adding*,
*changing* and *dropping* say what the server does:

| word | what happens |
|---|---|
| in place | changed at once |
| re-indexes | changed in place; segments or the payload index are rebuilt meanwhile, points stay |
| new collection | only a new collection can have it: deleted and created again, with consent |
| made again | the vector is dropped and created again, with consent; points stay without it |
| refused | not possible |
| stays | Qdrant cannot unset it: the value stays, and is no longer managed |
| with its section | it cannot be left out of its section |

The column *versions* gives the first Qdrant version that has a field and, if it was removed, the
last one. An empty cell means every supported version.
"""

WORDS = {
    Effect.UPDATE: "in place",
    Effect.REBUILD: "re-indexes",
    Effect.REPLACE: "new collection",
    Effect.REFUSED: "refused",
    Effect.KEPT: "stays",
}
REQUIRED = {pattern(row.path) for row in ROWS if row.required}


def reference() -> str:
    """The whole page: fields that stand alone first, then section by section."""
    alone = {name: shape for name, shape in SHAPE.fields.items() if shape.is_leaf}
    parts = [HEAD, _table("The collection itself", "", alone)]
    for name, shape in SHAPE.fields.items():
        if name not in alone:
            parts.append(_table(name, shape.description, {name: shape}))
    return "".join(parts)


def _table(title: str, about: str, shapes: Mapping[str, FieldTree]) -> str:
    rows = [row for name, shape in shapes.items() for row in _rows((name,), shape)]
    lines = [
        f"\n## {title}\n",
        *([about, ""] if about else []),
        "| field | type | adding | changing | dropping | versions | about |",
        "|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _rows(path: Pattern, shape: FieldTree, remade_since: str = "") -> Iterator[tuple[str, ...]]:
    """`remade_since` is the version from which a named entry around it can be made again."""
    if shape.entries is not None:
        words = _escaped(shape.entries.type_name) if shape.entries.is_leaf else "section"
        yield _row((*path, "*"), words, shape.rule, shape.description)
        if not shape.entries.is_leaf:
            yield from _rows((*path, "*"), shape.entries, shape.rule.remade_since)
    elif shape.is_leaf or (shape.rule.replaced_as_unit and path[-1] != "*"):
        yield _row(path, _escaped(shape.type_name), shape.rule, shape.description, remade_since)
    for name, inner in shape.fields.items():
        yield from _rows((*path, name), inner, remade_since)


def _row(
    path: Pattern, words: str, rule: FieldRule, about: str, remade_since: str = ""
) -> tuple[str, ...]:
    required = path in REQUIRED
    remade = f"; from {remade_since} on, of a named vector: made again" if remade_since else ""
    return (
        f"`{'.'.join(path)}`",
        words,
        "with its section"
        if required
        else _keyed(rule, rule.add) + remade * (rule.add is Effect.REPLACE),
        WORDS[rule.change] + remade * (rule.change is Effect.REPLACE),
        "with its section" if required else _dropping(rule),
        _versions(rule),
        f"{about}{_types(path)}{_reason(rule)}",
    )


def _reason(rule: FieldRule) -> str:
    """What the words of the columns do not say already."""
    plain = rule.change is not Effect.UPDATE or rule.in_place_since or not rule.because
    return "" if plain else f" {rule.because[0].upper()}{rule.because[1:]}."


def _keyed(rule: FieldRule, effect: Effect) -> str:
    if rule.in_place_since:
        return f"{WORDS[effect]} from {rule.in_place_since} on, before: new collection"
    return WORDS[effect]


def _dropping(rule: FieldRule) -> str:
    words = _keyed(rule, rule.drop)
    if since := rule.drop_safe_since:
        words = (
            f"{WORDS[rule.drop]} from {since} on, before: refused, "
            f"before {rule.in_place_since}: new collection"
        )
    if rule.unset_value is ABSENT:
        return words
    neutral = json.dumps(rule.unset_value).strip('"')
    same = rule.drop is Effect.KEPT
    return f"{words}; `{neutral}` is the same" if same else f"{words}: `{neutral}`"


def _versions(rule: FieldRule) -> str:
    found = [_gate(rule.gate)]
    found += [f"`{value}` {_gate(gate)}" for value, gate in rule.values.items() if _gate(gate)]
    return "; ".join(filter(None, found))


def _gate(gate: Availability) -> str:
    span = f"{gate.since} to {gate.until}" if gate.until else gate.since
    return ", ".join(filter(None, [span, "cluster mode" if gate.cluster else ""]))


def _types(path: Pattern) -> str:
    """Of a payload index's parameter, the types that take it, unless all do."""
    if path[0] != "payload_indexes" or len(path) < 3:
        return ""
    having = [kind for kind in TYPES if (kind, *path[2:]) in index_fields()]
    return "" if len(having) == len(TYPES) else f" Of {', '.join(having)}."


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")
