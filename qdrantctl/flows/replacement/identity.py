"""What tells a collection of a replacement from one that was created again since."""

from __future__ import annotations

from qdrantctl.flows.state.live import read_collection
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.replacement import CollectionRef


def find_reference(client: Client, address: Address, name: str) -> CollectionRef | None:
    """The name and the identity of a collection; None without one. Raises ClusterError."""
    live = read_collection(client, address, name)
    return None if live is None else CollectionRef(name=name, **live.facts.identity)
