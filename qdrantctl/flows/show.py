"""The flows of `show` and `history`: ledger entries and live resources. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.state.live import read_live, read_object_names, read_recorded_resources
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.resource_view import AppliedField, HistoryEntry, ResourceView
from qdrantctl.model.snapshots.snapshot import restore_command


def show_resource(client: Client, address: Address, owners: tuple[str, ...]) -> ResourceView:
    """One resource, recorded and live. Raises QdrantctlError if it is neither."""
    ledger_contents = read_recorded_resources(client, owners)
    entry = ledger_contents.entries.get(address, {})
    is_recorded = bool(entry) and not entry.get("deleted")
    recorded = replace(ledger.parse_entry(entry), address=address) if is_recorded else None
    remembered = Inventory([recorded] if recorded else [])
    only = frozenset({address})
    names = read_object_names(ledger_contents)
    request = ReadRequest(
        Inventory(), remembered, details=only, sized=only, only=only, names=names, owners=owners
    )
    live = read_live(client, request).get(address)
    if live is None and not entry:
        holder = names.find_holder(address.name)
        raise QdrantctlError(
            f"{address} does not exist on {client.server.url} and has no entry in its ledger",
            why=f"{address.name} is the name there of a collection of {holder}." if holder else "",
            hint="Addresses are KIND/NAME, as in collection/products.",
        )
    return ResourceView(
        address=str(address),
        owner=str(entry.get("owner", "")),
        schema_version=int(entry.get("schema_version") or 0),
        pending=entry.get("pending") is not None,
        recorded=recorded.spec if recorded else None,
        live=live.spec if live else None,
        points=live.facts.points if live else None,
        status=live.facts.status if live else "",
        aliases=live.facts.aliases if live else (),
        object=(live.facts.object if live else "") or ABSENT,
        uuid=live.facts.uuid if live else "",
        created_at=live.facts.created_at or ABSENT if live else ABSENT,
        storage=(live.facts.storage if live else None) or ABSENT,
        usage=(live.facts.usage if live else ()) or ABSENT,
        events=_sort_newest_first(_entry_events(address, entry)),
    )


def read_history(
    client: Client,
    owners: tuple[str, ...],
    address: Address | None,
    *,
    all_owners: bool,
    diff: bool = False,
) -> tuple[HistoryEntry, ...]:
    """Past changes, newest first: of one resource, of the first owner, or of all owners.

    With `diff` each has the fields that it changed, as far as they were recorded.
    """
    entries = read_recorded_resources(client, owners).entries
    return _sort_newest_first(
        event
        for where, entry in entries.items()
        if (address is None or where == address) and (all_owners or entry["owner"] == owners[0])
        for event in _entry_events(where, entry, diff=diff)
    )


def _entry_events(
    where: Address, entry: Mapping[str, Json], *, diff: bool = False
) -> Iterator[HistoryEntry]:
    for line in entry.get("history") or ():
        snapshot, owner = str(line.get("snapshot", "")), str(entry["owner"])
        environment = owner.partition("/")[2]
        yield HistoryEntry(
            address=str(where),
            owner=owner,
            when=str(line.get("when", "")),
            who=str(line.get("who", "")),
            commit=str(line.get("commit", "")),
            stated_commit=line.get("stated_commit") or ABSENT,
            run=str(line.get("run", "")),
            action=str(line.get("action", "")),
            schema_version=int(line.get("schema_version") or 0),
            way_back=restore_command(entry["address"], snapshot, environment) if snapshot else "",
            fields=_applied_fields(line) if diff else ABSENT,
        )


def _applied_fields(line: Mapping[str, Json]) -> Any:
    """The fields that an apply changed; ABSENT for one of a version that did not record them."""
    if "fields" not in line:
        return ABSENT
    return tuple(AppliedField.model_validate(field) for field in line["fields"])


def _sort_newest_first(events: Iterator[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    return tuple(sorted(events, key=lambda event: (event.when, event.address), reverse=True))
