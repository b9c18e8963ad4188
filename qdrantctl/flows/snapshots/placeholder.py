"""An empty collection under the name of one that is gone, while the snapshots it left are read.

From 1.19 on a server serves the snapshots of collections that exist, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from qdrantctl.adapters.qdrant import internal_collection as own_collection
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, NodeClient, get_or_none
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call, collection_path

SINCE = Version(1, 19, 0)
SHOWN = 5.0
"""Seconds within which every node knows of a collection that one has made."""
_ABOUT = {"stands_in": "while a snapshot is restored"}


def placeholder_needed(server: Server) -> bool:
    """Whether this server serves only the snapshots of collections that exist."""
    return server.version >= SINCE


def unreadable_error(server: Server, address: Address) -> QdrantctlError:
    """What is said where a snapshot would take the place of the collection that it hangs on."""
    return QdrantctlError(
        f"Qdrant {server.version} serves the snapshots of {address} only while a "
        "collection of that name exists",
        hint="Restore under another name with --as NAME, and give it the old one as an alias.",
    )


def is_one(client: Client, collection: str) -> bool:
    """Whether a collection is there that has no vectors and no points. Raises ClusterError."""
    info = get_or_none(client, Call(method="GET", path=collection_path(collection)))
    if info is None:
        return False
    params = info["config"]["params"]
    return not (params.get("vectors") or params.get("sparse_vectors") or info["points_count"])


@contextmanager
def placeholder_collection(
    client: Client, nodes: Iterable[NodeClient], collection: str
) -> Iterator[None]:
    """A stand-in for as long as this lasts. Raises ClusterError.

    One that a crashed run left behind is used. A collection that is not empty is not deleted.
    """
    try:
        client.request(
            own_collection.internal_collection_request(client.server, collection, _ABOUT)
        )
    except ClusterError as error:
        if not error.conflict:
            raise
    try:
        _wait_until_listed(nodes, collection)
        yield
    finally:
        if is_one(client, collection):
            client.request(Call(method="DELETE", path=collection_path(collection)))


def _wait_until_listed(nodes: Iterable[NodeClient], collection: str) -> None:
    """Wait until every node lists the snapshots. Raises ClusterError."""
    call = Call(method="GET", path=collection_path(collection, "snapshots"))
    for node in nodes:
        if poll(partial(get_or_none, node, call), _is_listed, timeout=SHOWN) is None:
            raise ClusterError(f"{node.server.url}: {collection} is not known there yet")


def _is_listed(snapshots: Json) -> bool:
    return snapshots is not None
