"""The flow of `snapshots list`: what the ledger knows beside what the servers list. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import SLOW, list_node_snapshots
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
    """Every snapshot of all collections, or of one; what cannot be read. Raises ClusterError."""
    entries = ledger.read_ledger(client).entries
    with ExitStack() as stack:
        clients: dict[str, NodeClient] = {}
        for url in nodes or (client.server.url,):
            node = clients[url] = client.for_node(url, timeout=SLOW)
            stack.callback(node.close)
        names = {
            e["name"]
            for e in client.request(Call(method="GET", path="/collections"))["collections"]
        }
        live = {Address(KIND, name) for name in names if not name.startswith(OWN_PREFIX)}
        addresses = (live | entries.keys()) if only is None else {only}
        known, unread = _recorded_files(entries, addresses)
        everywhere = bool(nodes) or client.server.peers == 1
        rows = [
            row
            for address in sorted(addresses)
            for row in _files_of(
                address,
                entries.get(address, {}),
                known.get(address, ()),
                clients if address in live else {},
                everywhere=everywhere and address in live,
            )
        ]
    return tuple(rows), unread


def _recorded_files(
    entries: Mapping[Address, Mapping[str, Json]], addresses: Iterable[Address]
) -> tuple[Mapping[Address, tuple[SnapshotRecord, ...]], tuple[str, ...]]:
    """The snapshots that the ledger tells of, and where what it tells cannot be read."""
    known: dict[Address, tuple[SnapshotRecord, ...]] = {}
    unread: list[str] = []
    for address in sorted(addresses):
        try:
            known[address] = tuple(recorded_snapshots(entries.get(address, {})))
        except ValueError:
            unread.append(f"what the ledger's entry of {address} tells of snapshots cannot be read")
    return known, tuple(unread)


def _files_of(
    address: Address,
    entry: Mapping[str, Json],
    kept_of: Iterable[SnapshotRecord],
    clients: Mapping[str, NodeClient],
    *,
    everywhere: bool,
) -> Iterator[SnapshotListing]:
    """The files of one collection: those that servers list, then those that they do not."""
    known = {file.name: (taken, file) for taken in kept_of for file in taken.files}
    seen: set[str] = set()
    for url, node in clients.items():
        for name, attributes in sorted(_list_on_node(node, address.name).items()):
            taken = known[name][0] if name in known else None
            seen.add(name)
            yield SnapshotListing(
                address=str(address),
                id=taken.id if taken else "",
                owner=str(entry["owner"]) if taken else "",
                name=name,
                node=url,
                size=int(attributes.get("size") or 0),
                created=str(attributes.get("creation_time") or ""),
                checksum=str(attributes.get("checksum") or ""),
                listed=True,
            )
    for name, (taken, file) in known.items():
        if name not in seen:
            yield SnapshotListing(
                address=str(address),
                id=taken.id,
                owner=str(entry["owner"]),
                name=name,
                node=file.peer,
                size=file.size,
                checksum=file.checksum,
                listed=False if everywhere else None,
            )


def _list_on_node(node: NodeClient, collection: str) -> Mapping[str, Mapping[str, Json]]:
    try:
        return list_node_snapshots(node, collection)
    except ClusterError as error:
        if error.not_found:  # deleted meanwhile, or not yet on this node
            return {}
        raise
