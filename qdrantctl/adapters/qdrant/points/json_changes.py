"""Changes of marked points, as operations of one request of the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qdrantctl.adapters.qdrant.points.json_points import encode_point
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import Point, PointChange, PointKey
from qdrantctl.model.replacement import MARK


def has_mark(mark: str) -> dict[str, Json]:
    """The condition that a point has a mark."""
    return {"key": MARK, "match": {"value": mark}}


def select_marked(keys: Sequence[PointKey], mark: str) -> dict[str, Json]:
    """The filter of those of these points that have a mark."""
    return {"must": [{"has_id": [key.point_id for key in keys]}, has_mark(mark)]}


def change_operations(changes: Sequence[PointChange], mark: str) -> list[dict[str, Json]]:
    """The operations; each does nothing to a point that lost its mark.

    Setting vectors fails if a point is gone, so it comes after all changes of payloads.
    """
    operations: list[dict[str, Json]] = []
    for change in changes:
        operations += _payload_operations(change, mark)
    points = [_vectors_of(change) for change in changes if change.vectors]
    if points:
        condition: Json = {"must": [has_mark(mark)]}
        operations.append({"update_vectors": {"points": points, "update_filter": condition}})
    return operations


def _payload_operations(change: PointChange, mark: str) -> list[dict[str, Json]]:
    """The operations that no missing point lets fail."""
    operations: list[dict[str, Json]] = []
    chosen: Json = select_marked([change.key], mark)
    if change.replaces_payload:
        payload = {**change.payload, MARK: mark}
        operations.append({"overwrite_payload": {"payload": payload, "filter": chosen}})
    elif change.payload:
        payload = dict(change.payload)
        operations.append({"set_payload": {"payload": payload, "filter": chosen}})
    if change.removed_keys:
        keys = list(change.removed_keys)
        operations.append({"delete_payload": {"keys": keys, "filter": chosen}})
    if change.removed_vectors:
        names = list(change.removed_vectors)
        operations.append({"delete_vectors": {"vector": names, "filter": chosen}})
    return operations


def _vectors_of(change: PointChange) -> dict[str, Any]:
    encoded = encode_point(Point(change.key, {}, change.vectors))
    return {"id": encoded["id"], "vector": encoded["vector"]}
