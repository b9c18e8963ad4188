"""JSON values as YAML text: the same value always gives the same bytes, with any YAML library."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

from qdrantctl.model.field_rule import Json

_PLAIN_STRING = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")
_RESERVED_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that some YAML reader does not parse as strings, in lower or upper case."""


def render_canonical(value: Mapping[str, Json]) -> str:
    """A mapping in block style, its keys in their order."""
    return "".join(f"{line}\n" for line in _render_mapping(value))


def _render_mapping(value: Mapping[str, Json]) -> Iterator[str]:
    for key, inner in value.items():
        if isinstance(inner, Mapping | list) and inner:
            yield f"{_render_string(key)}:"
            yield from (f"  {line}" for line in _render_lines(inner))
        else:
            yield f"{_render_string(key)}: {_render_scalar(inner)}"


def _render_lines(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield from _render_mapping(value)
    elif isinstance(value, list) and value:
        for inner in value:
            first, *rest = _render_lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _render_scalar(value)


def _render_scalar(value: Json) -> str:
    return _render_string(value) if isinstance(value, str) else json.dumps(value)


def _render_string(value: str) -> str:
    """Plain if every YAML reader parses it as a string, else in double quotes."""
    if _PLAIN_STRING.fullmatch(value) and value.lower() not in _RESERVED_WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() and text.isprintable():
        return text
    return _unprintable().sub(_escape_character, text)


@cache
def _unprintable() -> re.Pattern[str]:
    """The characters that some YAML reader refuses, compiled when a text may have one."""
    return re.compile(
        "[^\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    )


def _escape_character(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
