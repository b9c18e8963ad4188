"""A collection by its name on the cluster, as the resource of another address."""

from __future__ import annotations

from qdrantctl.flows.state.live import read_live
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.replacement import CollectionRef
from qdrantctl.model.resource import Inventory, Resource


def read_collection(client: Client, address: Address, name: str) -> Resource | None:
    """The collection of this name with its details; None without one. Raises ClusterError."""
    only = frozenset({address})
    names = ObjectNames.of({address: name})
    request = ReadRequest(Inventory(), Inventory(), details=only, only=only, names=names)
    return read_live(client, request).get(address)


def find_reference(client: Client, address: Address, name: str) -> CollectionRef | None:
    """The name and the identity of a collection; None without one. Raises ClusterError."""
    live = read_collection(client, address, name)
    return None if live is None else CollectionRef(name=name, **live.facts.identity)
