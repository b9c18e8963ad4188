"""Conditions of a filter that a payload value fulfils, and as few other values as possible."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from qdrantctl.model.field_rule import ABSENT, Json

_UNQUOTED_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MOST_INTEGER = 2**63 - 1


def match_value(key: str, value: Json) -> Iterator[dict[str, Json]]:
    """Conditions that the value of a payload key meets; ABSENT for a key that is not there.

    Another value may meet them in two cases: an empty object meets none, and the order of a list
    cannot be asked for.
    """
    if '"' not in key:
        yield from _match_at(_step(key), value)


def _match_at(path: str, value: Json) -> Iterator[dict[str, Json]]:
    if value is ABSENT or value == []:
        yield {"is_empty": {"key": path}}
    elif value is None:
        yield {"is_null": {"key": path}}
    elif isinstance(value, Mapping):
        for key in value:
            if '"' not in key:
                yield from _match_at(f"{path}.{_step(key)}", value[key])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield {"key": path, "values_count": {"gte": len(value), "lte": len(value)}}
        for element in value:
            yield from _match_at(f"{path}[]", element)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) > _MOST_INTEGER):
        yield {"key": path, "range": {"gte": value, "lte": value}}
    else:
        yield {"key": path, "match": {"value": value}}


def _step(key: str) -> str:
    return key if _UNQUOTED_KEY.fullmatch(key) else f'"{key}"'
