"""Values as readable YAML: plain scalars, short mappings on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from qdrantctl.adapters.yaml.scalars import AmbiguousScalar, parse_plain_scalar
from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import FieldTree

WIDTH = 100
_PLAIN_SCALAR = re.compile(r"[^\W\d]([\w ./@+-]*[\w./@+-])?|\d[\w./@+-]*[g-zG-Z][\w./@+-]*")
"""Strings that need no quotes, neither in a flow nor in a block."""
_YAML_1_1_BOOLEANS = frozenset(("y", "n", "yes", "no", "on", "off"))
"""Strings in YAML 1.2, booleans in YAML 1.1: they are quoted."""


def render_scalar(value: Json, quote: str = "") -> str:
    """A scalar; a string in the quote character `quote` if it can be written so."""
    if not isinstance(value, str):
        return json.dumps(value)
    if not quote and _is_plain_scalar(value):
        return value
    single = quote == "'" or (not quote and '"' in value)
    return (
        "'" + value.replace("'", "''") + "'"
        if single and value.isprintable()
        else _quote_scalar(value)
    )


def _is_plain_scalar(text: str) -> bool:
    if (
        not _PLAIN_SCALAR.fullmatch(text)
        or text.lower() in _YAML_1_1_BOOLEANS
        or not text.isprintable()
    ):
        return False
    try:
        return isinstance(parse_plain_scalar(text), str)
    except AmbiguousScalar:
        return False


def _quote_scalar(text: str) -> str:
    """In double quotes, as JSON, which YAML can read; unprintable characters as escapes."""
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}"
        for char in json.dumps(text, ensure_ascii=False)
    )


def render_flow(value: Json) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(
                f"{render_scalar(key)}: {render_flow(inner)}" for key, inner in value.items()
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(render_flow, value)) + "]"
    return render_scalar(value)


def render_entry(
    key: str, value: Json, shape: FieldTree | None, indent: int, step: int
) -> Iterator[str]:
    """The lines of `key: value` in a block, each indented by `indent` columns."""
    head = f"{' ' * indent}{render_scalar(key)}:"
    line = f"{head} {render_flow(value)}"
    if _fits_one_line(value, shape) and len(line) <= WIDTH:
        yield line
    elif isinstance(value, Mapping) and value:
        yield head
        yield from render_block(value, shape, indent + step, step)
    elif isinstance(value, list) and value:
        yield head
        yield from (render_item(inner, indent + step) for inner in value)
    else:
        yield line


def render_block(
    value: Mapping[str, Json], shape: FieldTree | None, indent: int, step: int
) -> Iterator[str]:
    """The lines of a mapping, one entry after the other."""
    for key, inner in value.items():
        yield from render_entry(key, inner, shape.child(key) if shape else None, indent, step)


def render_item(value: Json, indent: int) -> str:
    """The line of an entry of a list."""
    return f"{' ' * indent}- {render_flow(value)}"


def _fits_one_line(value: Json, shape: FieldTree | None) -> bool:
    """Whether a value is a scalar or holds only scalars. Map entries get lines of their own."""
    if isinstance(value, list):
        return not any(isinstance(inner, Mapping | list) for inner in value)
    if not isinstance(value, Mapping):
        return True
    is_map = shape is not None and shape.entries is not None
    if is_map and not _is_single_entry(value, shape):
        return False
    return not any(isinstance(inner, Mapping) for inner in value.values())


def _is_single_entry(value: Mapping[str, Any], shape: FieldTree | None) -> bool:
    """Whether a map is written as its only entry, as for one vector without a name."""
    fields = shape.entries.fields if shape and shape.entries else {}
    return value.keys() <= fields.keys()
