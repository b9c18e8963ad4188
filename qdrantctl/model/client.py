"""The client protocol: how the layers above the model send requests to a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol, Self

from qdrantctl.model.address import Address
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.object_names import SAME_NAMES, ObjectNames
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call


class Client(Protocol):
    """Sends requests to a server. Kinds reach a cluster only through it."""

    @property
    def server(self) -> Server:
        """The server that the client sends requests to."""
        ...

    def request(self, call: Call) -> Json:
        """The `result` of the server's response. Raises ClusterError."""
        ...

    def prefetch(self, calls: Iterable[Call]) -> None:
        """A hint: these GETs will be requested next, in this order."""
        ...


@frozen
class ReadRequest:
    """Which live resources to read, and how much of each."""

    desired: Inventory
    recorded: Inventory
    details: frozenset[Address] = frozenset()
    """Resources to read with points and status, which takes another request each."""
    counted: frozenset[Address] = frozenset()
    """Resources whose points must be counted exactly, because a rule depends on their number."""
    sized: frozenset[Address] = frozenset()
    """Collections of which the size is read, if the server reports it."""
    only: frozenset[Address] | None = None
    """The resources to read; None reads the whole cluster."""
    names: ObjectNames = SAME_NAMES
    """The names of collections on the cluster."""
    owners: tuple[str, ...] = ()
    """The owner and its previous names. Their resources of kinds scoped to an owner are addressed
    by name alone, without the owner."""

    after_change: bool = False
    """Whether they are read back: what is told of each by itself is enough, since nothing is
    decided by what the server's lists lack."""

    def includes(self, address: Address) -> bool:
        """Whether `address` is among the resources to read."""
        return self.only is None or address in self.only


class NodeClient(Client, Protocol):
    """A client that can also reach single nodes, and transfer snapshot files."""

    @property
    def server_time(self) -> datetime:
        """The server's time, from its last response. Raises ClusterError."""
        ...

    def for_node(self, url: str = "", *, timeout: float) -> Self:
        """A client of one node, or of the same server without a URL. `timeout` is in seconds."""
        ...

    def download(self, call: Call) -> Iterator[bytes]:
        """The body of the response to a GET, in chunks. Raises ClusterError."""
        ...

    def upload_snapshot(
        self,
        collection: str,
        file_name: str,
        checksum: str,
        priority: str,
        chunks: Iterable[bytes],
        size: int,
    ) -> None:
        """Upload a snapshot file of `size` bytes, from which the server recovers a collection.

        Raises SnapshotRejected if the server received the whole file, else ClusterError.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def get_or_none(client: Client, call: Call) -> Json:
    """The `result` of a read, None if the resource does not exist. Raises ClusterError."""
    try:
        return client.request(call)
    except ClusterError as error:
        if error.not_found:
            return None
        raise
