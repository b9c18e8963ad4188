"""The points that the oracle writes: what each holds, and what each operation makes of it.

Points have numbers. All that a point may hold follows from its number and from the version of the
operations on it, so an operation is known by its kind, its version and the numbers of its points.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

WRITERS = 4
CLASSES = WRITERS + 2
"""Residue classes of numbers: one for each writer, and two that are never written."""
GROUP = 10 * CLASSES
SHARD_KEYS = ("eu", "us")
SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Odd, so that numbers and UUIDs stand for each other."""

VECTORS = {"a": {"size": 4, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}}
SPARSE_VECTORS = {"words": {}}
PAYLOAD_INDEXES = {"group": "keyword"}

Shape = tuple[dict[str, Any], dict[str, Any]]
"""Payload and vectors of a point."""
State = Shape | None
"""None where there is no point."""

UPSERT = "upsert"
DELETE = "delete"
DELETE_BY_FILTER = "delete by filter"
SET_PAYLOAD = "set payload"
OVERWRITE_PAYLOAD = "overwrite payload"
DELETE_PAYLOAD = "delete payload"
UPDATE_VECTORS = "update vectors"
PARTIAL = (SET_PAYLOAD, OVERWRITE_PAYLOAD, DELETE_PAYLOAD, UPDATE_VECTORS)


@dataclass(slots=True)
class Operation:
    """One operation; it is acknowledged, or its outcome is unknown."""

    kind: str
    numbers: tuple[int, ...]
    version: int
    began: float = 0.0
    ended: float = 0.0
    acknowledged: bool = False
    waits: bool = True
    text: str = ""
    """What `overwrite payload` keeps, as the vector is made of it."""


def id_of(number: int) -> int | str:
    """Every fifth point of a class has a UUID."""
    if number // CLASSES % 5:
        return number
    return str(UUID(int=number * SPREAD % 2**128))


def number_of(point_id: int | str) -> int:
    """The inverse; what is no id of the oracle gives a number that it does not have."""
    if isinstance(point_id, int):
        return point_id
    return UUID(point_id).int * pow(SPREAD, -1, 2**128) % 2**128


def group_of(number: int) -> str:
    """Ten points of one class, and so of one writer."""
    return f"{number // GROUP}-{number % CLASSES}"


def shard_key_of(number: int) -> str:
    """All points of a group have the same."""
    return SHARD_KEYS[number // GROUP % len(SHARD_KEYS)]


def embed(text: str) -> list[float]:
    """The vector of a text: a model of an embedding model."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return [float(int.from_bytes(digest[i : i + 2])) for i in range(0, 8, 2)]


def text_of(number: int, version: int) -> str:
    """The text that an upsert writes."""
    return f"text {version} of {number}"


def lacks_vectors(version: int) -> bool:
    """Whether an upsert of this version writes one vector only."""
    return version % 10 == 9


def whole_point(number: int, version: int) -> Shape:
    """What an upsert writes; version 0 is what every collection begins with."""
    text = text_of(number, version)
    payload = {
        "group": group_of(number),
        "version": version,
        "text": text,
        "price": number / 8,
        "nested": {"of": number, "list": [version, {"x": text, "deep": None}]},
    }
    vectors: dict[str, Any] = {"a": embed(text)}
    if not lacks_vectors(version):
        vectors["b"] = [float(version), float(number % 1000)]
        vectors["words"] = {"indices": [1, 5 + version % 100], "values": [0.5, float(version)]}
    return payload, vectors


def applied(operation: Operation, number: int, state: State) -> State:
    """What the operation makes of one of its points; partial updates make no point."""
    if operation.kind == UPSERT:
        return whole_point(number, operation.version)
    if operation.kind in (DELETE, DELETE_BY_FILTER) or state is None:
        return None
    payload, vectors = state
    version = operation.version
    if operation.kind == SET_PAYLOAD:
        return payload | noted(version), vectors
    if operation.kind == OVERWRITE_PAYLOAD:
        return overwriting(number, operation), vectors
    if operation.kind == DELETE_PAYLOAD:
        return {key: payload[key] for key in payload if key not in ("note", "price")}, vectors
    return payload, vectors | {"b": [float(version), 0.5]}


def noted(version: int) -> dict[str, Any]:
    """What `set payload` sets."""
    return {"note": version, "noted": {"by": version, "at": [version]}}


def overwriting(number: int, operation: Operation) -> dict[str, Any]:
    """What `overwrite payload` leaves."""
    return {"group": group_of(number), "text": operation.text, "only": operation.version}


def frozen(state: State) -> bytes:
    """A state in a form that compares: equal where the server's answers mean the same."""
    return b"" if state is None else orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
