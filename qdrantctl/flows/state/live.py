"""Reading the worlds that live on the cluster: what is there, and what the ledger remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from qdrantctl.adapters.qdrant.ledger import LedgerContents, parse_entry, read_ledger
from qdrantctl.kinds.catalog import BY_NAME, KINDS
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What was read of one cluster at one time."""

    live: Inventory
    remembered: Inventory
    """Records of every owner, those of deleted resources left out."""
    ledger: LedgerContents
    owners: tuple[str, ...] = ()
    """Whose resources of owned kinds are called by their name alone."""
    unsigned: str = ""
    """Why no token can be signed with the given key; empty when one can, or none is asked for."""

    def ledger_entry(self, address: Address) -> Mapping[str, Json]:
        """The ledger's entry for an address as it stands there; empty when there is none."""
        result: Mapping[str, Json] = self.ledger.entries.get(address, {})
        return result


@dataclass(frozen=True, slots=True)
class CachingClient:
    """A door that asks each GET once, so that all kinds see the same answer."""

    client: Client
    answers: dict[str, Json]

    @property
    def server(self) -> Server:
        """The server behind the door."""
        return self.client.server

    def request(self, call: Call) -> Json:
        """The answer, from memory where the same was asked before. Raises ClusterError."""
        if call.method != "GET":
            return self.client.request(call)
        key = _cache_key(call)
        if key not in self.answers:
            self.answers[key] = self.client.request(call)
        return self.answers[key]

    def prefetch(self, calls: Iterable[Call]) -> None:
        """A hint for the door behind."""
        self.client.prefetch(call for call in calls if _cache_key(call) not in self.answers)


def _cache_key(call: Call) -> str:
    return f"{call.path}?{sorted(call.query.items())}"


def read_cluster_state(
    client: Client,
    desired: Inventory,
    progress: Progress,
    owners: tuple[str, ...],
    *,
    detailed: bool = False,
) -> ClusterState:
    """The live and the recorded world. Raises ClusterError; only 404 means that there is none.

    `owners` are this one and its previous names. With `detailed` what they have recorded is read
    with all its details, not only with those that are stated.
    """
    progress("reading the ledger")
    memory = read_recorded_resources(client, owners)
    remembered = Inventory(
        replace(parse_entry(payload), address=address)
        for address, payload in memory.entries.items()
        if address.kind in BY_NAME and not payload.get("deleted")
    )
    details = frozenset(
        address
        for address, entry in remembered.items()
        if address not in desired or (detailed and entry.record and entry.record.owner in owners)
    )
    progress("reading the cluster")
    live = read_live(client, ReadRequest(desired, remembered, details=details, owners=owners))
    return ClusterState(live, remembered, memory, owners)


def read_recorded_resources(client: Client, owners: tuple[str, ...]) -> LedgerContents:
    """What the ledger holds; of owned kinds what these owners have is called by its name alone.

    Where it was recorded under a previous name, too, the present one counts.
    """
    ledger_contents = read_ledger(client)
    entries: dict[Address, Mapping[str, Json]] = {}
    for owner in ("", *reversed(owners)):
        for address, payload in ledger_contents.entries.items():
            owned = address.kind in BY_NAME and BY_NAME[address.kind].scoped_to_owner
            mine = owned and payload["owner"] in owners
            if mine and payload["owner"] == owner:
                entries[Address(address.kind, address.name.removeprefix(f"{owner}/"))] = payload
            elif not mine and not owner:
                entries[address] = payload
    return replace(ledger_contents, entries=entries)


def read_live(client: Client, request: ReadRequest) -> Inventory:
    """The live resources of every kind that are asked for."""
    once = CachingClient(client, {})
    found: list[Resource] = []
    for kind in KINDS:
        if request.only is None or any(address.kind == kind.name for address in request.only):
            found += kind.observe(once, request)
    return Inventory(found)


def with_details(
    client: Client, cluster_state: ClusterState, desired: Inventory, more: frozenset[Address]
) -> ClusterState:
    """The same worlds with points and status of `more` read too."""
    asked = ReadRequest(
        desired, cluster_state.remembered, details=more, only=more, owners=cluster_state.owners
    )
    fresh = read_live(client, asked)
    return replace(cluster_state, live=Inventory([*cluster_state.live.values(), *fresh.values()]))
