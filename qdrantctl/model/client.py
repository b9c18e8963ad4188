"""What the layers above the model know of a cluster: a client that answers requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from qdrantctl.model.address import Address
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call


class Client(Protocol):
    """The only thing a kind knows of the outside: it answers requests."""

    @property
    def server(self) -> Server:
        """The server behind the door."""
        ...

    def request(self, call: Call) -> Json:
        """The `result` of the server's answer. Raises ClusterError."""
        ...

    def prefetch(self, calls: Iterable[Call]) -> None:
        """A hint: these GETs will be asked for next, in this order."""
        ...


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What an observation is for."""

    desired: Inventory
    recorded: Inventory
    details: frozenset[Address] = frozenset()
    """Resources whose points and status are wanted, which cost a request each."""
    only: frozenset[Address] | None = None
    """Read these and nothing else; None reads the whole cluster."""
    owners: tuple[str, ...] = ()
    """Whose resources of an owned kind are called by their name alone: the owner, then its
    previous names."""

    def includes(self, address: Address) -> bool:
        """Whether `address` is to be read at all."""
        return self.only is None or address in self.only


class NodeClient(Client, Protocol):
    """A door that leads to every node, and through which files go."""

    @property
    def server_time(self) -> datetime:
        """What the server's clock said with the last answer. Raises ClusterError."""
        ...

    def for_node(self, url: str = "", *, timeout: float) -> Self:
        """One node; without a URL the same one, for slow requests."""
        ...

    def download(self, call: Call) -> Iterator[bytes]:
        """The bytes that answer a GET. Raises ClusterError."""
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
        """Send one file of a snapshot, of `size` bytes, and have a collection made of it.

        Raises SnapshotRejected where the server had every byte, ClusterError where it had not.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def get_or_none(client: Client, call: Call) -> Json:
    """The `result` of a read, None where the server has no such thing. Raises ClusterError."""
    try:
        return client.request(call)
    except ClusterError as error:
        if error.not_found:
            return None
        raise
