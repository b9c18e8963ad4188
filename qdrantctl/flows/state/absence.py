"""Whether what one list of the server lacks is really absent: its other lists must agree.

A list may be partial: a cache, a proxy, or a node that does not know of a change yet.
"""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.address import OWN_PREFIX, Address
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.step import Call, collection_path


def find_contradictions(client: Client, request: ReadRequest, live: Inventory) -> Iterator[str]:
    """What the server's lists disagree about, of the live resources as they were read.

    Each collection must be in telemetry and in `GET /collections`; an alias that is needed and not
    listed must have no name on the server; a collection that may be deleted must have the aliases
    that are listed. Raises ClusterError.
    """
    if request.only is None:
        yield from _unlisted_collections(client, request.names, live)
        yield from _unlisted_aliases(client, request, live)
    for address in sorted(request.details):
        may_be_deleted = request.only is not None or address not in request.desired
        may_be_deleted = may_be_deleted and not request.after_change
        if address.kind == "collection" and address in live and may_be_deleted:
            yield from _aliases_that_differ(client, live[address])


def _unlisted_collections(client: Client, names: ObjectNames, live: Inventory) -> Iterator[str]:
    entries = client.request(Call(method="GET", path="/collections"))["collections"]
    listed = {
        entry["name"]
        for entry in entries
        if not entry["name"].startswith(OWN_PREFIX) and names.find_address(entry["name"])
    }
    known = {names.object_name(address) for address in live if address.kind == "collection"}
    for name in sorted(listed - known):
        yield f"collection/{name} is in GET /collections, but not in telemetry"
    for name in sorted(known - listed):
        yield f"collection/{name} is in telemetry, but not in GET /collections"


def _unlisted_aliases(client: Client, request: ReadRequest, live: Inventory) -> Iterator[str]:
    needed = {a for a in (*request.desired, *request.recorded) if a.kind == "alias"}
    for address in sorted(needed - live.keys()):
        if Address("collection", address.name) in live or request.names.find_holder(address.name):
            continue
        path = collection_path(address.name, "exists")
        if client.request(Call(method="GET", path=path))["exists"]:
            yield f"{address} exists, but is not in GET /aliases"


def _aliases_that_differ(client: Client, live: Resource) -> Iterator[str]:
    path = collection_path(live.object_name, "aliases")
    entries = client.request(Call(method="GET", path=path))["aliases"]
    if {entry["alias_name"] for entry in entries} != set(live.facts.aliases):
        yield f"GET /aliases and GET {path} list different aliases of {live.address}"
