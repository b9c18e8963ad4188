"""JSON as lines, for programs of the user's."""

from __future__ import annotations

import json
from collections.abc import Iterable

import orjson

from qdrantctl.model.field_rule import Json


def encode_lines(values: Iterable[Json]) -> bytes:
    """One value a line, in UTF-8, and an empty line after the last."""
    return b"\n".join(map(orjson.dumps, values)) + b"\n\n"


def parse_line(line: bytes) -> Json:
    """The value of a line. Python's NaN and Infinity are read, too. Raises ValueError."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError from error
