"""The form of the responses on which qdrantctl concludes that something does not exist.

A response without the list that it should hold says nothing; without this check it would count as
an empty list, or end as an error of the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call

_EACH = "*"
_FORMS: tuple[tuple[re.Pattern[str], tuple[tuple[str, ...], ...]], ...] = tuple(
    (re.compile(pattern), paths)
    for pattern, paths in (
        (
            "/telemetry",
            (
                ("collections", "collections", _EACH, "id"),
                ("collections", "collections", _EACH, "config", "params"),
            ),
        ),
        ("/collections", (("collections", _EACH, "name"),)),
        ("/aliases", (("aliases", _EACH, "alias_name"), ("aliases", _EACH, "collection_name"))),
        ("/cluster", (("status",),)),
        ("/collections/[^/]+", (("config", "params"), ("status",), ("payload_schema",))),
        ("/collections/[^/]+/aliases", (("aliases", _EACH, "alias_name"),)),
        ("/collections/[^/]+/exists", (("exists",),)),
        ("/collections/[^/]+/cluster", (("local_shards", _EACH), ("remote_shards", _EACH))),
        ("/collections/[^/]+/snapshots", ((_EACH, "name"),)),
        ("/collections/[^/]+/points/scroll", (("points", _EACH, "id"),)),
    )
)
"""Paths of requests that read, and what their results hold: keys, and every entry of a list."""


def has_form(parsed: Json, call: Call) -> bool:
    """Whether a response with a status of success has the form that Qdrant gives it."""
    if call.path == "/":
        return isinstance(parsed, dict)
    if not isinstance(parsed, dict) or "result" not in parsed:
        return False
    if call.writes:
        return True
    paths = next((paths for pattern, paths in _FORMS if pattern.fullmatch(call.path)), ())
    return all(_holds(parsed["result"], path) for path in paths)


def _holds(value: Json, path: tuple[str, ...]) -> bool:
    """Whether a value has everything that a path names."""
    if not path:
        return value is not None
    if path[0] == _EACH:
        return isinstance(value, list) and all(_holds(entry, path[1:]) for entry in value)
    return isinstance(value, Mapping) and path[0] in value and _holds(value[path[0]], path[1:])
