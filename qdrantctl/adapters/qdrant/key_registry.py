"""The registry of keys: a collection on the cluster that the server reads at each request.

A revocable token names a value that a point of the registry must contain. The registry holds one
point for each generation of each key; without the API key no token can be derived from a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qdrantctl.adapters.qdrant import internal_collection as own_collection
from qdrantctl.adapters.qdrant.point_writes import write_points
from qdrantctl.model.access_keys.generation import MATCHED, REGISTRY_COLLECTION, Generation
from qdrantctl.model.client import Client, get_or_none
from qdrantctl.model.step import Call, collection_path, wait_query


def writes_registry(call: Call) -> bool:
    """Whether a request writes to the registry."""
    return call.path.startswith(collection_path(REGISTRY_COLLECTION, ""))


def registry_creation_requests(client: Client) -> Iterator[Call]:
    """The requests that create or complete the registry; none if it is complete.

    Each node has a full replica with an index on the value. Raises ClusterError.
    """
    collection = get_or_none(client, Call(method="GET", path=collection_path(REGISTRY_COLLECTION)))
    if collection is None:
        yield own_collection.internal_collection_request(
            client.server, REGISTRY_COLLECTION, everywhere=True
        )
        collection = {}
    if MATCHED not in (collection.get("payload_schema") or {}):
        body = {"field_name": MATCHED, "field_schema": "keyword"}
        path = collection_path(REGISTRY_COLLECTION, "index")
        yield Call(method="PUT", path=path, query=wait_query(client.server), body=body)


def registry_exists(client: Client) -> bool:
    """Whether the cluster has a registry. Raises ClusterError."""
    path = collection_path(REGISTRY_COLLECTION, "exists")
    return bool(client.request(Call(method="GET", path=path))["exists"])


def write_generations(
    client: Client, changed: Iterable[Generation], removed: Iterable[Generation] = ()
) -> None:
    """Write or replace generations, and remove others.

    Every node rejects the next request with a removed token. Raises ClusterError.
    """
    points = [{"id": g.point, "vector": {}, "payload": g.document()} for g in changed]
    removed_points = [generation.point for generation in removed]
    query = wait_query(client.server)
    if points:
        path = collection_path(REGISTRY_COLLECTION, "points")
        write_points(client, Call(method="PUT", path=path, query=query, body={"points": points}))
    if removed_points:
        path = collection_path(REGISTRY_COLLECTION, "points", "delete")
        write_points(
            client, Call(method="POST", path=path, query=query, body={"points": removed_points})
        )
