"""The flows of `show` and `history`: what the ledger remembers beside what is there. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.edges import ledger
from qdrantctl.flows.observe import observe
from qdrantctl.model.address import Address
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.kind import Asked, Door
from qdrantctl.model.resource import Inventory
from qdrantctl.model.rule import Json
from qdrantctl.model.shown import Event, Shown
from qdrantctl.model.snapshot import way_back


def show(door: Door, address: Address) -> Shown:
    """One resource, recorded and live. Raises QdrantctlError for one that is neither."""
    memory = ledger.read(door)
    entry = memory.entries.get(address, {})
    known = bool(entry) and not entry.get("deleted")
    recorded = ledger.resource_of(entry) if known else None
    remembered = Inventory([recorded] if recorded else [])
    only = frozenset({address})
    live = observe(door, Asked(Inventory(), remembered, details=only, only=only)).get(address)
    if live is None and not entry:
        raise QdrantctlError(
            f"{address} is neither on {door.server.url} nor in its ledger",
            hint="Addresses are KIND/NAME, as in collection/products.",
        )
    return Shown(
        address=str(address),
        owner=str(entry.get("owner", "")),
        schema_version=int(entry.get("schema_version") or 0),
        pending=entry.get("pending") is not None,
        recorded=recorded.spec if recorded else None,
        live=live.spec if live else None,
        points=live.facts.points if live else None,
        status=live.facts.status if live else "",
        aliases=live.facts.aliases if live else (),
        uuid=live.facts.uuid if live else "",
        events=_newest_first(_events(entry)),
    )


def history(door: Door, owner: str | None, address: Address | None) -> tuple[Event, ...]:
    """What was done, newest first: of one resource, of one owner, or of everybody (None)."""
    entries = ledger.read(door).entries
    return _newest_first(
        event
        for where, entry in entries.items()
        if (address is None or where == address) and owner in (None, entry["owner"])
        for event in _events(entry)
    )


def _events(entry: Mapping[str, Json]) -> Iterator[Event]:
    for line in entry.get("history") or ():
        snapshot = str(line.get("snapshot", ""))
        yield Event(
            address=str(entry["address"]),
            owner=str(entry["owner"]),
            when=str(line.get("when", "")),
            who=str(line.get("who", "")),
            commit=str(line.get("commit", "")),
            run=str(line.get("run", "")),
            action=str(line.get("action", "")),
            schema_version=int(line.get("schema_version") or 0),
            way_back=way_back(entry["address"], snapshot) if snapshot else "",
        )


def _newest_first(events: Iterator[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: (event.when, event.address), reverse=True))
