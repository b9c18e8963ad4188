"""Which form the points of collections are read and written in, and their stores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import isclose
from typing import Literal
from urllib.parse import urlsplit

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.http_proxy import find_proxy
from qdrantctl.adapters.qdrant.points.json_transport import JsonTransport
from qdrantctl.adapters.qdrant.points.store import QdrantPointStore
from qdrantctl.adapters.qdrant.ports import GRPC_PORT, port_or_default
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import Point, PointStore
from qdrantctl.model.step import Call

Form = Literal["wire", "json"]
"""The form of raw points: gRPC messages, or JSON of the REST API."""
FORMS: tuple[Form, ...] = ("wire", "json")
COMPARED = 20
"""Points that are read in both forms before gRPC is used."""
PROBE_TRIES = 3
"""How often lists of collections are compared: one may be created in between."""


def open_point_store(
    endpoint: Endpoint, collection: str, shard_key: str | int | None, form: Form
) -> PointStore:
    """The points of a collection, or of one of its shard keys. Nothing is sent yet.

    Points go only between stores of the same form.
    """
    rest = JsonTransport(endpoint, collection, shard_key)
    if form == "json":
        return QdrantPointStore(rest, rest)
    from qdrantctl.adapters.qdrant.points.wire_transport import WireTransport

    wire = WireTransport(endpoint, _list_grpc_addresses(endpoint), collection, shard_key)
    return QdrantPointStore(wire, rest)


def choose_form(endpoints: Iterable[Endpoint]) -> Form:
    """GRPC if every endpoint answers it, else JSON. Never fails because gRPC is absent."""
    return "wire" if all(map(_answers_grpc, endpoints)) else "json"


def reads_alike(endpoint: Endpoint, collection: str, shard_key: str | int | None) -> bool:
    """Whether some points of a collection are the same over gRPC and over REST.

    They are not where a server has messages that this version does not know, nor where gRPC cannot
    express a payload. Raises ClusterError.
    """
    stores = [open_point_store(endpoint, collection, shard_key, form) for form in FORMS]
    try:
        keys = stores[0].sample_keys(COMPARED)
        wire, rest = ([s.decode_point(p) for p in s.fetch_points(keys)] for s in stores)
        found = {point.key: point for point in rest}
        return all(_is_alike(point, found[point.key]) for point in wire if point.key in found)
    finally:
        for store in stores:
            store.close()


def _is_alike(first: Point, second: Point) -> bool:
    texts = {json.dumps(point.payload, sort_keys=True) for point in (first, second)}
    named = first.vectors.keys() == second.vectors.keys()
    return (
        len(texts) == 1
        and named
        and all(_is_near(vector, second.vectors[name]) for name, vector in first.vectors.items())
    )


def _is_near(first: Json, second: Json) -> bool:
    """Whether vectors are the same but for how their numbers were written."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_is_near(first[k], second[k]) for k in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_near, first, second))
    return isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)


def _list_grpc_addresses(endpoint: Endpoint) -> tuple[str, ...]:
    """`host:port` of the endpoint, then of its nodes, where gRPC may be reached.

    What leads REST through a proxy, or to a path, does not lead gRPC there.
    """
    found: dict[str, None] = {}
    for url in (endpoint.url, *endpoint.nodes):
        parts = urlsplit(url)
        port = port_or_default(url, endpoint.grpc_port, GRPC_PORT)
        if port and not parts.path and not find_proxy(url, endpoint.proxies):
            host = parts.hostname or ""
            found[f"[{host}]:{port}" if ":" in host else f"{host}:{port}"] = None
        elif url == endpoint.url:
            return ()
    return tuple(found)


def _answers_grpc(endpoint: Endpoint) -> bool:
    """Whether the cluster of an endpoint answers gRPC."""
    addresses = _list_grpc_addresses(endpoint)
    if not addresses:
        return False
    from qdrantctl.adapters.qdrant.points.grpc_probe import read_collections

    # Another server may listen on the default port: then the lists of collections differ.
    with RestClient(endpoint) as client, suppress(ClusterError):
        for _ in range(PROBE_TRIES):
            seen = read_collections(endpoint, addresses[0])
            if seen is None:
                return False
            listed = client.request(Call(method="GET", path="/collections"))["collections"]
            if seen == {entry["name"] for entry in listed}:
                return True
    return False
