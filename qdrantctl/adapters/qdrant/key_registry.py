"""The registry of keys: a collection on the cluster that the server asks at each request.

A token that can be revoked names a value which must stand in a point here. One point is kept for
each generation of each key; nothing in it can be made into a token without the API key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qdrantctl.adapters.qdrant import internal_collection as own_collection
from qdrantctl.model.access_keys.generation import MATCHED, REGISTRY, Generation
from qdrantctl.model.client import Door, get_or_none
from qdrantctl.model.step import Call, collection_path

_AND_WAIT = {"wait": "true"}


def needed(call: Call) -> bool:
    """Whether a request writes to the registry."""
    return call.path.startswith(collection_path(REGISTRY, ""))


def missing(door: Door) -> Iterator[Call]:
    """The requests that make the registry as it should be; none where it is. Raises ClusterError.

    Each node has all of it, and finds a token by an index.
    """
    found = get_or_none(door, Call(method="GET", path=collection_path(REGISTRY)))
    if found is None:
        yield own_collection.creation(door.server, REGISTRY, everywhere=True)
        found = {}
    if MATCHED not in (found.get("payload_schema") or {}):
        body = {"field_name": MATCHED, "field_schema": "keyword"}
        path = collection_path(REGISTRY, "index")
        yield Call(method="PUT", path=path, query=_AND_WAIT, body=body)


def exists(door: Door) -> bool:
    """Whether there is one. Raises ClusterError."""
    path = collection_path(REGISTRY, "exists")
    return bool(door.ask(Call(method="GET", path=path))["exists"])


def write(door: Door, changed: Iterable[Generation], gone: Iterable[Generation] = ()) -> None:
    """Put generations in the place of what stood there, and take out others.

    The next request with a token that went is refused, on every node. Raises ClusterError.
    """
    points = [{"id": g.point, "vector": {}, "payload": g.document()} for g in changed]
    old = [generation.point for generation in gone]
    if points:
        path = collection_path(REGISTRY, "points")
        door.ask(Call(method="PUT", path=path, query=_AND_WAIT, body={"points": points}))
    if old:
        path = collection_path(REGISTRY, "points", "delete")
        door.ask(Call(method="POST", path=path, query=_AND_WAIT, body={"points": old}))
