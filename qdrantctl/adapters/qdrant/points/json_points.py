"""Points in the form of the REST API: keys, digests and data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha1
from typing import Any

import orjson

from qdrantctl.adapters.qdrant.points.transport import DIGEST_SIZE
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import Digest, Point, PointKey
from qdrantctl.model.replacement import MARK

_NOT_WRITTEN = ("shard_key", "order_value")
"""What a point is read with, and cannot be written with."""
_SORTED = orjson.OPT_SORT_KEYS


def strip_point(point: Mapping[str, Json]) -> dict[str, Json]:
    """A point as it is read, in the form in which it is written."""
    return {name: value for name, value in point.items() if name not in _NOT_WRITTEN}


def key_of_json_point(point: Mapping[str, Json]) -> PointKey:
    """The key of a point."""
    return PointKey.parse(point["id"])


def digest_json_point(point: Mapping[str, Json], fields: tuple[str, ...] | None = None) -> Digest:
    """The digest of a point; see PointStore."""
    payload = point.get("payload") or {}
    if fields:
        found = [list(_find_field_values(payload, field.split("."))) for field in fields]
        return _digest_text(orjson.dumps(found, option=_SORTED))
    if MARK in payload:
        payload = {key: value for key, value in payload.items() if key != MARK}
    text = orjson.dumps(payload, option=_SORTED)
    if fields is None:
        text += orjson.dumps(_name_vectors(point.get("vector")), option=_SORTED)
    return _digest_text(text)


def digest_json_copy(point: Mapping[str, Json], copy: Mapping[str, Json]) -> tuple[Digest, Digest]:
    """The digests of two points: objects that Python finds equal may differ as JSON."""
    return digest_json_point(point), digest_json_point(copy)


def _digest_text(text: bytes) -> Digest:
    return sha1(text, usedforsecurity=False).digest()[:DIGEST_SIZE]


def _find_field_values(value: Json, names: list[str]) -> Iterator[Json]:
    """The values of a field, `names` leading into nested objects; of each entry of a list."""
    if not names:
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _find_field_values(inner, names)
    elif isinstance(value, dict) and (name := names[0].removesuffix("[]")) in value:
        yield from _find_field_values(value[name], names[1:])


def _name_vectors(vectors: Json) -> Mapping[str, Json]:
    """Vectors by name; the unnamed one may be in either form."""
    if vectors is None:
        return {}
    return vectors if isinstance(vectors, dict) else {"": vectors}


def decode_json_point(point: Mapping[str, Json]) -> Point:
    """A point as data."""
    return Point(
        key=key_of_json_point(point),
        payload=point.get("payload") or {},
        vectors=_name_vectors(point.get("vector")),
    )


def encode_json_point(point: Point) -> dict[str, Any]:
    """The inverse."""
    return {
        "id": point.key.point_id,
        "payload": point.payload,
        "vector": write_vectors(point.vectors),
    }


def write_vectors(vectors: Mapping[str, Json]) -> Json:
    """Vectors by name as a request has them; the unnamed one stands alone."""
    floats = {name: _as_floats(vector) for name, vector in vectors.items()}
    return floats[""] if list(floats) == [""] else floats


def _as_floats(vector: Json) -> Json:
    """A vector without integers: servers read two rows of integers as a sparse vector."""
    if isinstance(vector, list):
        return [_as_floats(entry) if isinstance(entry, list) else float(entry) for entry in vector]
    return vector
