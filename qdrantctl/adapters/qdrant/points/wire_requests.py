"""Parts of gRPC requests about points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.model.points import PointKey
from qdrantctl.model.replacement import MARK

WITH, WITHOUT = b"\x08\x01", b"\x08\x00"
"""WithPayloadSelector and WithVectorsSelector: `enable`."""


def encode_point_id(key: PointKey) -> bytes:
    """A PointId."""
    message = MESSAGES["PointId"]
    point_id = message(uuid=str(UUID(int=key.value))) if key.is_uuid else message(num=key.value)
    return bytes(point_id.SerializeToString())


def encode_shard_key(shard_key: str | int | None) -> bytes | None:
    """A ShardKeySelector; None for all of the collection."""
    if shard_key is None:
        return None
    name = "number" if isinstance(shard_key, int) else "keyword"
    selector = MESSAGES["ShardKeySelector"](shard_keys=[MESSAGES["ShardKey"](**{name: shard_key})])
    return bytes(selector.SerializeToString())


def encode_mark(mark: str) -> bytes:
    """An entry of a payload: the mark."""
    value = MESSAGES["Value"](string_value=mark.encode()).SerializeToString()
    return bytes(MESSAGES["PayloadEntry"](key=MARK.encode(), value=value).SerializeToString())


def no_point() -> Any:
    """A filter that no point meets."""
    return MESSAGES["Filter"](must=[has_id(())])


def has_id(keys: Sequence[PointKey]) -> Any:
    """The condition that a point has one of these ids."""
    ids = MESSAGES["HasIdCondition"](has_id=map(encode_point_id, keys))
    return MESSAGES["Condition"](has_id=ids)


def _has_mark(mark: str) -> Any:
    match = MESSAGES["Match"](keyword=mark)
    return MESSAGES["Condition"](field=MESSAGES["FieldCondition"](key=MARK, match=match))


def select_existing(keys: Sequence[PointKey]) -> Any:
    """Those of these points that exist; payload operations on a list of ids fail if one is gone."""
    return MESSAGES["PointsSelector"](filter=MESSAGES["Filter"](must=[has_id(keys)]))


def select_points(keys: Sequence[PointKey], mark: str = "") -> Any:
    """The PointsSelector of these points; with a mark only of those that have it."""
    if not mark:
        ids = MESSAGES["PointsIdsList"](ids=map(encode_point_id, keys))
        return MESSAGES["PointsSelector"](points=ids)
    chosen = MESSAGES["Filter"](must=[has_id(keys), _has_mark(mark)])
    return MESSAGES["PointsSelector"](filter=chosen)
