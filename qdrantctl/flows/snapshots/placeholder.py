"""An empty collection under the name of one that is gone, while the snapshots it left are read.

From 1.19 on a server gives out the snapshots of collections that exist, and no others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from qdrantctl.adapters.qdrant import internal_collection as own_collection
from qdrantctl.flows.cluster.nodes import snapshots
from qdrantctl.model.address import Address
from qdrantctl.model.client import Door, NodeDoor
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call, collection_path

SINCE = Version(1, 19, 0)
SHOWN = 5.0
"""Seconds within which every node knows of a collection that one has made."""
NOT_FOUND, CONFLICT = 404, 409
_ABOUT = {"stands_in": "while a snapshot is restored"}


def needed(server: Server) -> bool:
    """Whether this server gives out only the snapshots of collections that exist."""
    return server.version >= SINCE


def unread(server: Server, address: Address) -> QdrantctlError:
    """What is said where a snapshot would take the place of the collection that it hangs on."""
    return QdrantctlError(
        f"Qdrant {server.version} gives out the snapshots of {address} only while a "
        "collection of that name exists",
        hint="Restore under another name with --as NAME, and give it the old one as an alias.",
    )


def is_one(door: Door, collection: str) -> bool:
    """Whether a collection is there that has no vectors and no points. Raises ClusterError."""
    try:
        found: Any = door.ask(Call(method="GET", path=collection_path(collection)))
    except ClusterError as error:
        if error.status == NOT_FOUND:
            return False
        raise
    params = found["config"]["params"]
    return not (params.get("vectors") or params.get("sparse_vectors") or found["points_count"])


@contextmanager
def standing(door: Door, nodes: Iterable[NodeDoor], collection: str) -> Iterator[None]:
    """A stand-in for as long as this lasts. Raises ClusterError.

    One that a killed run has left is used. Whatever is no longer empty is not deleted.
    """
    try:
        door.ask(own_collection.creation(door.server, collection, _ABOUT))
    except ClusterError as error:
        if error.status != CONFLICT:
            raise
    try:
        _known(nodes, collection)
        yield
    finally:
        if is_one(door, collection):
            door.ask(Call(method="DELETE", path=collection_path(collection)))


def _known(nodes: Iterable[NodeDoor], collection: str) -> None:
    """Wait until every node lists the snapshots. Raises ClusterError."""
    until = time.monotonic() + SHOWN
    for node in nodes:
        while True:
            try:
                snapshots(node, collection)
                break
            except ClusterError as error:
                if error.status != NOT_FOUND or time.monotonic() > until:
                    raise
            time.sleep(0.05)
