"""The ledger: a collection on the cluster with the last-applied state and who applied it.

One point per address, without vectors; and one point with a random id that identifies the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from uuid import UUID, uuid5

from qdrantctl.adapters.qdrant import internal_collection as own_collection
from qdrantctl.adapters.qdrant.point_writes import write_points
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.client import Client, get_or_none
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Lifecycle, Record, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec_memo import SharedSpecs
from qdrantctl.model.step import Call, collection_path, wait_query

LEDGER_COLLECTION = OWN_PREFIX
_ID_NAMESPACE = UUID("5a6f3b0e-6d0f-4f57-9a53-0c1f0b4c7f11")
_CLUSTER = "cluster"
_LEDGER_PAGE = 1000


@frozen
class LedgerContents:
    """The contents of the ledger."""

    exists: bool = False
    cluster_id: str = ""
    """Random, created with the ledger; empty without a ledger."""
    cloned_from: str = ""
    """The id of the cluster that this one is a copy of, once records were adopted from it."""
    entries: Mapping[Address, Mapping[str, Json]] = field(default_factory=dict)
    """Payloads by address, those of deleted resources included."""

    def is_from_copy(self, entry: Mapping[str, Json]) -> bool:
        """Whether the cluster had another id when an entry was written: it came with a copy."""
        written_on = entry.get("cluster_id") or self.cloned_from or self.cluster_id
        return bool(written_on != self.cluster_id)


def ledger_creation_request(server: Server) -> Call:
    """The request that creates the ledger."""
    return own_collection.internal_collection_request(server, LEDGER_COLLECTION)


def read_ledger(client: Client) -> LedgerContents:
    """Read the whole ledger. Only 404 means that there is none; other errors are raised.

    The read uses one replica: a write returns only after every available replica has it, and the
    consistency `majority` reads all of them, so it fails as soon as one node is down.
    """
    entries: dict[Address, Mapping[str, Json]] = {}
    cluster: dict[str, str] = {}
    offset = ABSENT
    while True:
        page = get_or_none(client, ledger_page_request(offset))
        if page is None:
            return LedgerContents()
        for point in page["points"]:
            payload = point.get("payload") or {}
            if "address" in payload:
                entries[_parse_address(payload, client)] = payload
            else:
                words = ("cluster_id", "cloned_from")
                cluster |= {word: str(payload[word]) for word in words if payload.get(word)}
        offset = page.get("next_page_offset")
        if offset is None:
            return LedgerContents(True, entries=entries, **cluster)


def ledger_page_request(offset: Json = ABSENT) -> Call:
    """The request for a page of the ledger, without an offset for its first."""
    body = {"limit": _LEDGER_PAGE, "with_payload": True, "with_vector": False}
    if offset is not ABSENT:
        body["offset"] = offset
    path = collection_path(LEDGER_COLLECTION, "points", "scroll")
    return Call(method="POST", path=path, body=body)


def write_entries(client: Client, entries: Iterable[Mapping[str, Json]]) -> None:
    """Write entries, each in place of the earlier one of its address. Raises ClusterError."""
    points = [(str(entry["address"]), dict(entry)) for entry in entries]
    write_points(client, _upsert_request(points, client.server))


def remove_entry(client: Client, address: str) -> None:
    """Remove the entry of an address, if there is one. Raises ClusterError."""
    path = collection_path(LEDGER_COLLECTION, "points", "delete")
    body = {"points": [ledger_point_id(address)]}
    query = wait_query(client.server)
    write_points(client, Call(method="POST", path=path, query=query, body=body))


def read_cluster_id(client: Client) -> str:
    """The random id of the cluster; empty without one. Raises ClusterError."""
    path = collection_path(LEDGER_COLLECTION, "points", ledger_point_id(_CLUSTER))
    point = get_or_none(client, Call(method="GET", path=path)) or {}
    return str((point.get("payload") or {}).get("cluster_id") or "")


def write_cluster_id(client: Client, cluster_id: str) -> None:
    """Write the random id of the cluster. Raises ClusterError."""
    write_points(client, cluster_id_request(cluster_id, client.server))


def cluster_id_request(cluster_id: str, server: Server, cloned_from: str = "") -> Call:
    """The request that writes the id of the cluster, and that of the cluster it is a copy of."""
    origin = {"cloned_from": cloned_from} if cloned_from else {}
    return _upsert_request([(_CLUSTER, {"cluster_id": cluster_id, **origin})], server)


def clone_id(cluster_id: str, url: str) -> str:
    """The id of a copy of a cluster at a URL: equal for every copy at that URL."""
    return str(uuid5(_ID_NAMESPACE, f"{cluster_id} {url}"))


def ledger_point_id(address: str) -> str:
    """The id of an address's point: one address has one owner in the whole cluster."""
    return str(uuid5(_ID_NAMESPACE, address))


def parse_entry(payload: Mapping[str, Json], shared: SharedSpecs | None = None) -> Resource:
    """An entry as a resource with its record; its specs are those of `shared` that are alike."""
    shared = shared or SharedSpecs()
    observed = payload.get("observed")
    return Resource(
        address=Address.parse(payload["address"]),
        spec=shared.share(payload["spec"]),
        lifecycle=Lifecycle.parse(payload.get("lifecycle") or {}),
        record=Record(
            owner=str(payload["owner"]),
            schema_version=int(payload.get("schema_version") or 0),
            digest=str(payload.get("digest") or ""),
            uuid=str(payload.get("uuid") or ""),
            created_at=str(payload.get("created_at") or ""),
            pending=payload.get("pending"),
            commit=str(payload.get("commit") or ""),
            who=str(payload.get("who") or ""),
            when=str(payload.get("when") or ""),
            server=str(payload.get("server") or ""),
            observed=shared.share(observed) if isinstance(observed, dict) else None,
            generations=tuple(payload.get("generations") or ()),
        ),
    )


def require_usable_object(name: Json) -> None:
    """Raises ValueError unless this may be the name on the cluster of a managed collection."""
    if not isinstance(name, str) or unsendable_reason(name) or name.startswith(OWN_PREFIX):
        raise ValueError("no name of a collection")


def _name_parts(address: Address) -> list[str]:
    """The parts of a name; the name of an owned resource begins with its owner."""
    is_single = address.kind in ("collection", "alias")
    return [address.name] if is_single else address.name.split("/")


def _upsert_request(points: list[tuple[str, dict[str, Json]]], server: Server) -> Call:
    """Writes points. Stricter orderings depend on one particular node, which may be down."""
    body = {
        "points": [
            {"id": ledger_point_id(name), "vector": {}, "payload": payload}
            for name, payload in points
        ]
    }
    path = collection_path(LEDGER_COLLECTION, "points")
    return Call(method="PUT", path=path, query=wait_query(server), body=body)


def _parse_address(payload: Mapping[str, Json], client: Client) -> Address:
    """The address of a valid entry. Raises ClusterError for an entry that was tampered with."""
    try:
        address = Address.parse(str(payload["address"]))
        Lifecycle.parse(payload.get("lifecycle") or {})
        is_valid = isinstance(payload.get("spec"), dict) and bool(payload.get("owner"))
        if address.kind == "collection":
            require_usable_object(payload.get("object") or address.name)
    except (ValueError, TypeError, KeyError, AttributeError):
        is_valid = False
    if not is_valid or any(map(unsendable_reason, _name_parts(address))):
        raise ClusterError(
            f"{client.server.url}: the ledger holds an entry for "
            f"{str(payload.get('address'))[:100]!r} that qdrantctl did not write",
            hint=f"Inspect the points of {LEDGER_COLLECTION} and delete the one with this "
            "address; the resource itself is not changed.",
        )
    return address
