"""The registry of keys: a collection on the cluster that the server asks at each request.

A token that can be revoked names a value which must stand in a point here. One point is kept for
each generation of each key; nothing in it can be made into a token without the API key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qdrantctl.adapters.qdrant import internal_collection as own_collection
from qdrantctl.model.access_keys.generation import MATCHED, REGISTRY_COLLECTION, Generation
from qdrantctl.model.client import Client, get_or_none
from qdrantctl.model.step import Call, collection_path

_WRITE_QUERY = {"wait": "true"}


def writes_registry(call: Call) -> bool:
    """Whether a request writes to the registry."""
    return call.path.startswith(collection_path(REGISTRY_COLLECTION, ""))


def registry_creation_requests(client: Client) -> Iterator[Call]:
    """The requests that make the registry as it should be; none where it is. Raises ClusterError.

    Each node has all of it, and finds a token by an index.
    """
    found = get_or_none(client, Call(method="GET", path=collection_path(REGISTRY_COLLECTION)))
    if found is None:
        yield own_collection.internal_collection_request(
            client.server, REGISTRY_COLLECTION, everywhere=True
        )
        found = {}
    if MATCHED not in (found.get("payload_schema") or {}):
        body = {"field_name": MATCHED, "field_schema": "keyword"}
        path = collection_path(REGISTRY_COLLECTION, "index")
        yield Call(method="PUT", path=path, query=_WRITE_QUERY, body=body)


def registry_exists(client: Client) -> bool:
    """Whether there is one. Raises ClusterError."""
    path = collection_path(REGISTRY_COLLECTION, "exists")
    return bool(client.request(Call(method="GET", path=path))["exists"])


def write_generations(
    client: Client, changed: Iterable[Generation], gone: Iterable[Generation] = ()
) -> None:
    """Put generations in the place of what stood there, and take out others.

    The next request with a token that went is refused, on every node. Raises ClusterError.
    """
    points = [{"id": g.point, "vector": {}, "payload": g.document()} for g in changed]
    old = [generation.point for generation in gone]
    if points:
        path = collection_path(REGISTRY_COLLECTION, "points")
        client.request(Call(method="PUT", path=path, query=_WRITE_QUERY, body={"points": points}))
    if old:
        path = collection_path(REGISTRY_COLLECTION, "points", "delete")
        client.request(Call(method="POST", path=path, query=_WRITE_QUERY, body={"points": old}))
