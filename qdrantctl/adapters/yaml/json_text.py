"""JSON text as JSON has it: YAML 1.1 parsers refuse some of it, and read some of it differently.

The C parser is such a parser: it takes U+2028 in a string for a line break, and refuses control
characters and long keys.
"""

from __future__ import annotations

import json
from typing import NoReturn

from qdrantctl.adapters.yaml.scalars import parse_plain_scalar
from qdrantctl.model.field_rule import ABSENT, Json

_MAX_COMMAS = 500_000
_MAX_DEPTH = 100


def read_json(text: str) -> Json:
    """The value of a JSON object or array; ABSENT for any other text. Raises AmbiguousScalar."""
    if text.lstrip()[:1] not in ("{", "[") or text.count(",") > _MAX_COMMAS:
        return ABSENT
    try:
        value = json.loads(
            text,
            parse_int=parse_plain_scalar,
            parse_float=parse_plain_scalar,
            parse_constant=_refuse_constant,
            object_pairs_hook=_make_mapping,
        )
        json.dumps(value, ensure_ascii=False).encode()  # half a character is no character
    except (ValueError, RecursionError):
        return ABSENT
    return value if _depth(value) <= _MAX_DEPTH else ABSENT


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _make_mapping(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key is stated twice")
    return result


def _depth(value: Json) -> int:
    """How deep a value is nested."""
    depth, level = 0, [value]
    while level := [
        inner
        for outer in level
        if isinstance(outer, dict | list)
        for inner in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
    return depth
