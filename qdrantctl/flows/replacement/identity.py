"""What tells a collection of a replacement from one that was created again since."""

from __future__ import annotations

from qdrantctl.flows.state.live import read_collection
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.errors import StaleError
from qdrantctl.model.replacement import CollectionRef, ReplacementRecord


def find_reference(client: Client, address: Address, name: str) -> CollectionRef | None:
    """The name and the identity of a collection; None without one. Raises ClusterError."""
    live = read_collection(client, address, name)
    return None if live is None else CollectionRef(name=name, **live.facts.identity)


def ensure_both_stand(client: Client, record: ReplacementRecord) -> None:
    """Raises StaleError if one of the collections is no longer that of the record, ClusterError."""
    for known in (record.old, record.new):
        now = find_reference(client, record.address, known.name)
        if now is None or (known.uuid and now.uuid and known.uuid != now.uuid):
            state = "is gone" if now is None else "was deleted and created again"
            raise StaleError(
                f"{known.name} {state} since the replacement was begun",
                why="Nothing was switched.",
                hint=f"qdrantctl replacement abort {record.address} removes what is left.",
            )
