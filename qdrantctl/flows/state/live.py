"""Reading the worlds that live on the cluster: what is there, and what the ledger remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from qdrantctl.adapters.qdrant.ledger import Memory, read, resource_of
from qdrantctl.kinds.catalog import BY_NAME, KINDS
from qdrantctl.model.address import Address
from qdrantctl.model.client import Asked, Door
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""


@dataclass(frozen=True, slots=True)
class Worlds:
    """What was read of one cluster at one time."""

    live: Inventory
    remembered: Inventory
    """Records of every owner, those of deleted resources left out."""
    memory: Memory
    owners: tuple[str, ...] = ()
    """Whose resources of owned kinds are called by their name alone."""
    unsigned: str = ""
    """Why no token can be signed with the given key; empty when one can, or none is asked for."""

    def payload(self, address: Address) -> Mapping[str, Json]:
        """The ledger's entry for an address as it stands there; empty when there is none."""
        found: Mapping[str, Json] = self.memory.entries.get(address, {})
        return found


@dataclass(frozen=True, slots=True)
class Remembering:
    """A door that asks each GET once, so that all kinds see the same answer."""

    door: Door
    answers: dict[str, Json]

    @property
    def server(self) -> Server:
        """The server behind the door."""
        return self.door.server

    def ask(self, call: Call) -> Json:
        """The answer, from memory where the same was asked before. Raises ClusterError."""
        if call.method != "GET":
            return self.door.ask(call)
        key = _key(call)
        if key not in self.answers:
            self.answers[key] = self.door.ask(call)
        return self.answers[key]

    def expect(self, calls: Iterable[Call]) -> None:
        """A hint for the door behind."""
        self.door.expect(call for call in calls if _key(call) not in self.answers)


def _key(call: Call) -> str:
    return f"{call.path}?{sorted(call.query.items())}"


def worlds(
    door: Door,
    desired: Inventory,
    progress: Progress,
    owners: tuple[str, ...],
    *,
    detailed: bool = False,
) -> Worlds:
    """The live and the recorded world. Raises ClusterError; only 404 means that there is none.

    `owners` are this one and its previous names. With `detailed` what they have recorded is read
    with all its details, not only with those that are stated.
    """
    progress("reading the ledger")
    memory = remembering(door, owners)
    remembered = Inventory(
        replace(resource_of(payload), address=address)
        for address, payload in memory.entries.items()
        if address.kind in BY_NAME and not payload.get("deleted")
    )
    details = frozenset(
        address
        for address, entry in remembered.items()
        if address not in desired or (detailed and entry.record and entry.record.owner in owners)
    )
    progress("reading the cluster")
    live = observe(door, Asked(desired, remembered, details=details, owners=owners))
    return Worlds(live, remembered, memory, owners)


def remembering(door: Door, owners: tuple[str, ...]) -> Memory:
    """What the ledger holds; of owned kinds what these owners have is called by its name alone.

    Where it was recorded under a previous name, too, the present one counts.
    """
    memory = read(door)
    entries: dict[Address, Mapping[str, Json]] = {}
    for owner in ("", *reversed(owners)):
        for address, payload in memory.entries.items():
            owned = address.kind in BY_NAME and BY_NAME[address.kind].owned
            mine = owned and payload["owner"] in owners
            if mine and payload["owner"] == owner:
                entries[Address(address.kind, address.name.removeprefix(f"{owner}/"))] = payload
            elif not mine and not owner:
                entries[address] = payload
    return replace(memory, entries=entries)


def observe(door: Door, asked: Asked) -> Inventory:
    """The live resources of every kind that are asked for."""
    once = Remembering(door, {})
    found: list[Resource] = []
    for kind in KINDS:
        if asked.only is None or any(address.kind == kind.name for address in asked.only):
            found += kind.observe(once, asked)
    return Inventory(found)


def detailed(door: Door, worlds: Worlds, desired: Inventory, more: frozenset[Address]) -> Worlds:
    """The same worlds with points and status of `more` read too."""
    asked = Asked(desired, worlds.remembered, details=more, only=more, owners=worlds.owners)
    fresh = observe(door, asked)
    return replace(worlds, live=Inventory([*worlds.live.values(), *fresh.values()]))
