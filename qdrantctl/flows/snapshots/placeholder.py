"""A placeholder: an empty collection that replaces a deleted one while its snapshots are read.

A server lists and serves the snapshots of collections that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from qdrantctl.adapters.qdrant import internal_collection
from qdrantctl.model.client import Client, NodeClient, get_or_none
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path

LISTING_TIMEOUT = 5.0
"""Seconds within which every node lists a collection created on one of them."""
_METADATA = {"stands_in": "while a snapshot is restored"}


def unreadable_error(collection: str) -> QdrantctlError:
    """The error for a restore under the name whose collection would have to serve its snapshot."""
    return QdrantctlError(
        f"the server does not restore collection/{collection} from its own disk, and serves its "
        "snapshots only while a collection of that name exists",
        hint="Restore under another name with --as NAME, and create an alias with the old name.",
    )


def is_placeholder(client: Client, collection: str) -> bool:
    """Whether a collection exists that has no vectors and no points. Raises ClusterError."""
    info = get_or_none(client, Call(method="GET", path=collection_path(collection)))
    if info is None:
        return False
    params = info["config"]["params"]
    return not (params.get("vectors") or params.get("sparse_vectors") or info["points_count"])


@contextmanager
def placeholder_collection(
    client: Client, nodes: Iterable[NodeClient], collection: str
) -> Iterator[None]:
    """A placeholder for a deleted collection until the block ends. Raises ClusterError."""
    with placeholder_on_demand(client, nodes, collection) as create:
        create()
        yield


@contextmanager
def placeholder_on_demand(
    client: Client, nodes: Iterable[NodeClient], collection: str
) -> Iterator[Callable[[], None]]:
    """Creates a placeholder for a deleted collection when called; removes it at the end.

    A placeholder left behind by a crashed run is reused, and removed even if none was requested.
    A collection that is not empty is never deleted. Raises ClusterError.
    """
    is_created = False

    def create() -> None:
        nonlocal is_created
        if not is_created:
            _create(client, collection)
            _wait_until_listed(nodes, collection)
            is_created = True

    try:
        yield create
    finally:
        if is_placeholder(client, collection):
            client.request(Call(method="DELETE", path=collection_path(collection)))


def _create(client: Client, collection: str) -> None:
    """Create a placeholder unless a collection of that name exists. Raises ClusterError."""
    try:
        client.request(
            internal_collection.internal_collection_request(client.server, collection, _METADATA)
        )
    except ClusterError as error:
        if not error.conflict:
            raise


def _wait_until_listed(nodes: Iterable[NodeClient], collection: str) -> None:
    """Wait until every node lists the snapshots. Raises ClusterError."""
    call = Call(method="GET", path=collection_path(collection, "snapshots"))
    for node in nodes:
        if poll(partial(get_or_none, node, call), _is_listed, timeout=LISTING_TIMEOUT) is None:
            raise ClusterError(f"{node.server.url}: {collection} does not exist on this node yet")


def _is_listed(snapshots: Json) -> bool:
    return snapshots is not None
