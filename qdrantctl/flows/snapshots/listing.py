"""The flow of `snapshots list`: snapshot files of the ledger and of the servers. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from operator import itemgetter

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import SNAPSHOT_TIMEOUT, list_node_snapshots
from qdrantctl.flows.state.live import read_object_names
from qdrantctl.model.address import OWN_PREFIX, Address
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.snapshot import SnapshotListing, SnapshotRecord, recorded_snapshots
from qdrantctl.model.step import Call

KIND = "collection"


def list_snapshot_files(
    client: NodeClient, nodes: tuple[str, ...], only: Address | None
) -> tuple[tuple[SnapshotListing, ...], tuple[str, ...]]:
    """Snapshot files of all collections, or of one, and errors about unreadable entries.

    Raises ClusterError.
    """
    contents = ledger.read_ledger(client)
    entries, object_names = contents.entries, read_object_names(contents)
    with ExitStack() as stack:
        clients: dict[str, NodeClient] = {}
        for url in nodes or (client.server.url,):
            node = clients[url] = client.for_node(url, timeout=SNAPSHOT_TIMEOUT)
            stack.callback(node.close)
        names = {
            e["name"]
            for e in client.request(Call(method="GET", path="/collections"))["collections"]
        }
        live = {n: object_names.served_address(n) for n in names if not n.startswith(OWN_PREFIX)}
        addresses = {*live.values(), *entries} if only is None else {only}
        records, unread = _recorded_files(entries, addresses)
        is_complete = bool(nodes) or client.server.peers == 1
        rows = [
            row
            for address in sorted(addresses)
            for row in _files_of(
                address,
                entries.get(address, {}),
                records.get(address, ()),
                {name for name, owner in live.items() if owner == address},
                clients,
                is_complete=is_complete,
            )
        ]
    return tuple(rows), unread


def _recorded_files(
    entries: Mapping[Address, Mapping[str, Json]], addresses: Iterable[Address]
) -> tuple[Mapping[Address, tuple[SnapshotRecord, ...]], tuple[str, ...]]:
    """The snapshots recorded in the ledger, and errors about entries that cannot be read."""
    records: dict[Address, tuple[SnapshotRecord, ...]] = {}
    unread: list[str] = []
    for address in sorted(addresses):
        try:
            records[address] = tuple(recorded_snapshots(entries.get(address, {})))
        except ValueError:
            unread.append(f"the snapshots in the ledger's entry of {address} cannot be read")
    return records, tuple(unread)


def _files_of(
    address: Address,
    entry: Mapping[str, Json],
    records: Iterable[SnapshotRecord],
    live: Collection[str],
    clients: Mapping[str, NodeClient],
    *,
    is_complete: bool,
) -> Iterator[SnapshotListing]:
    """The files of one address: those on servers, then those only in the ledger.

    `live` are the names of its collections on the cluster. `is_complete` states that every server
    is among `clients`.
    """
    recorded_files = {file.name: (record, file) for record in records for file in record.files}
    listed_names: set[str] = set()
    for url, node in clients.items():
        listed = (item for name in sorted(live) for item in _list_on_node(node, name).items())
        for name, attributes in sorted(listed, key=itemgetter(0)):
            record = recorded_files[name][0] if name in recorded_files else None
            listed_names.add(name)
            yield SnapshotListing(
                address=str(address),
                id=record.id if record else "",
                owner=str(entry["owner"]) if record else "",
                name=name,
                node=url,
                size=int(attributes.get("size") or 0),
                created=str(attributes.get("creation_time") or ""),
                checksum=str(attributes.get("checksum") or ""),
                listed=True,
            )
    for name, (record, file) in recorded_files.items():
        if name not in listed_names:
            yield SnapshotListing(
                address=str(address),
                id=record.id,
                owner=str(entry["owner"]),
                name=name,
                node=file.peer,
                size=file.size,
                checksum=file.checksum,
                listed=False if is_complete and record.object_name in live else None,
            )


def _list_on_node(node: NodeClient, collection: str) -> Mapping[str, Mapping[str, Json]]:
    try:
        return list_node_snapshots(node, collection)
    except ClusterError as error:
        if error.not_found:  # deleted in the meantime, or not yet on this node
            return {}
        raise
