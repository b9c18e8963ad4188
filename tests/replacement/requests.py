"""The requests of operations, as an application would send them."""

from __future__ import annotations

from typing import Any

from tests.replacement.points import (
    DELETE,
    DELETE_BY_FILTER,
    DELETE_PAYLOAD,
    OVERWRITE_PAYLOAD,
    SET_PAYLOAD,
    UPSERT,
    Operation,
    Shape,
    group_of,
    id_of,
    noted,
    overwriting,
    shard_key_of,
    whole_point,
)


def request_of(
    operation: Operation, collection: str, sharded: bool
) -> tuple[str, str, dict[str, Any]]:
    """Method, path and body."""
    first = operation.numbers[0]
    ids = [id_of(number) for number in operation.numbers]
    key = {"shard_key": shard_key_of(first)} if sharded else {}
    if operation.kind == UPSERT:
        points = [
            point_of(number, whole_point(number, operation.version)) for number in operation.numbers
        ]
        method, path, body = "PUT", "", {"points": points}
    elif operation.kind == DELETE:
        method, path, body = "POST", "/delete", {"points": ids}
    elif operation.kind == DELETE_BY_FILTER:
        belongs = {"key": "group", "match": {"value": group_of(first)}}
        method, path, body = "POST", "/delete", {"filter": {"must": [belongs]}}
    elif operation.kind == SET_PAYLOAD:
        body = {"payload": noted(operation.version), "points": ids}
        method, path = "POST", "/payload"
    elif operation.kind == OVERWRITE_PAYLOAD:
        body = {"payload": overwriting(first, operation), "points": ids}
        method, path = "PUT", "/payload"
    elif operation.kind == DELETE_PAYLOAD:
        body = {"keys": ["note", "price"], "points": ids}
        method, path = "POST", "/payload/delete"
    else:
        vector = {"b": [float(operation.version), 0.5]}
        points = [{"id": point_id, "vector": vector} for point_id in ids]
        method, path, body = "PUT", "/vectors", {"points": points}
    waits = "true" if operation.waits else "false"
    return method, f"/collections/{collection}/points{path}?wait={waits}", body | key


def point_of(number: int, shape: Shape) -> dict[str, Any]:
    """A point as in the body of an upsert."""
    return {"id": id_of(number), "payload": shape[0], "vector": shape[1]}
