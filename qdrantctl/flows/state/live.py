"""Read live resources and the last-applied state (ledger) from the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace

from qdrantctl.adapters.qdrant.ledger import (
    LedgerContents,
    ledger_page_request,
    parse_entry,
    read_ledger,
)
from qdrantctl.adapters.qdrant.replacement_records import parse_replacements
from qdrantctl.flows.state.absence import find_contradictions
from qdrantctl.kinds.catalog import BY_NAME, KINDS
from qdrantctl.kinds.collection.observe import read_collection_limit, telemetry_request
from qdrantctl.kinds.quota import read_quota_status
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.errors import ClusterError, explain_misread
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.object_names import SAME_NAMES, ObjectNames, list_object_names
from qdrantctl.model.polling import poll
from qdrantctl.model.quota import QuotaStatus
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import CollectionLimit, Server
from qdrantctl.model.spec_memo import SharedSpecs
from qdrantctl.model.step import Call

SETTLING = 2.0
"""Seconds until every node of a cluster knows a change."""
MANY = 5
"""Contradictions that an error names."""
Progress = Callable[[str], None]
"""Receives a short text about the current activity."""


@frozen
class ClusterState:
    """The state of one cluster as read at one time."""

    live: Inventory
    remembered: Inventory
    """Ledger records of every owner, without those of deleted resources."""
    ledger: LedgerContents
    owners: tuple[str, ...] = ()
    """Owners whose resources of owner-scoped kinds are addressed by name only."""
    collection_limit: CollectionLimit | None = None
    """The server's limit of collections; None without one, or where it does not state it."""
    quota: QuotaStatus | None = None
    """None before Qdrant 1.19, which has none."""
    names: ObjectNames = SAME_NAMES
    """The names of collections on the cluster."""
    replacements: Mapping[Address, ReplacementRecord] = field(default_factory=dict)
    """The replacements under way or kept, by the address of their collection."""
    retirable: frozenset[Address] = frozenset()
    """Those among them whose old collection has been kept long enough."""
    unsigned: str = ""
    """Why the given key cannot sign tokens; empty if it can, or if no token is needed."""

    def ledger_entry(self, address: Address) -> Mapping[str, Json]:
        """The ledger's raw entry for an address; empty if there is none."""
        result: Mapping[str, Json] = self.ledger.entries.get(address, {})
        return result


@frozen
class CachingClient:
    """A client that sends each GET once, so that all kinds see the same response."""

    client: Client
    answers: dict[str, Json]

    @property
    def server(self) -> Server:
        """The server of the wrapped client."""
        return self.client.server

    def request(self, call: Call) -> Json:
        """The response, from the cache if the same GET was sent before. Raises ClusterError."""
        if call.method != "GET":
            return self.client.request(call)
        key = _cache_key(call)
        if key not in self.answers:
            self.answers[key] = self.client.request(call)
        return self.answers[key]

    def prefetch(self, calls: Iterable[Call]) -> None:
        """Pass requests that are not cached to the wrapped client as a hint."""
        self.client.prefetch(call for call in calls if _cache_key(call) not in self.answers)


def _cache_key(call: Call) -> str:
    return f"{call.path}?{sorted(call.query.items())}"


def list_first_reads() -> tuple[Call, ...]:
    """The reads with which every `read_cluster_state` begins. None depends on another."""
    return (
        ledger_page_request(),
        Call(method="GET", path="/aliases"),
        telemetry_request(),
        Call(method="GET", path="/collections"),
    )


def read_cluster_state(
    client: Client,
    desired: Inventory,
    progress: Progress,
    owners: tuple[str, ...],
    *,
    detailed: bool = False,
) -> ClusterState:
    """The live and the last-applied state. Raises ClusterError; only 404 means absent.

    `owners` are this owner and its previous names. With `detailed` all details of their recorded
    resources are read, not only those that manifests declare.
    """
    progress("reading the ledger")
    client.prefetch(list_first_reads())
    ledger_contents = read_recorded_resources(client, owners)
    with explain_misread(client.server.url):
        shared = SharedSpecs()
        remembered = Inventory(
            replace(parse_entry(payload, shared), address=address)
            for address, payload in ledger_contents.entries.items()
            if address.kind in BY_NAME and not payload.get("deleted")
        )
    replacements = parse_replacements(ledger_contents)
    names = list_object_names(ledger_contents.entries, replacements)
    details = frozenset(
        address
        for address, entry in remembered.items()
        if address not in desired or (detailed and entry.record and entry.record.owner in owners)
    )
    progress("reading the cluster")
    request = ReadRequest(desired, remembered, details=details, names=names, owners=owners)
    answers = CachingClient(client, {})
    live = _read_consistent(answers, request)
    with explain_misread(client.server.url):
        limit, quota = read_collection_limit(answers), read_quota_status(answers)
    return ClusterState(
        live, remembered, ledger_contents, owners, limit, quota, names, replacements
    )


def read_recorded_resources(client: Client, owners: tuple[str, ...]) -> LedgerContents:
    """The ledger, with resources of owner-scoped kinds of these owners addressed by name only.

    If a resource is recorded under a previous owner name too, the current one takes precedence.
    """
    ledger_contents = read_ledger(client)
    entries: dict[Address, Mapping[str, Json]] = {}
    for owner in ("", *reversed(owners)):
        for address, payload in ledger_contents.entries.items():
            is_scoped = address.kind in BY_NAME and BY_NAME[address.kind].scoped_to_owner
            is_own = is_scoped and payload["owner"] in owners
            if is_own and payload["owner"] == owner:
                entries[Address(address.kind, address.name.removeprefix(f"{owner}/"))] = payload
            elif not is_own and not owner:
                entries[address] = payload
    return replace(ledger_contents, entries=entries)


def read_object_names(contents: LedgerContents) -> ObjectNames:
    """The names of collections on the cluster, by the ledger. Raises ClusterError."""
    return list_object_names(contents.entries, parse_replacements(contents))


def read_live(client: Client, request: ReadRequest) -> Inventory:
    """The requested live resources of every kind.

    Raises ClusterError, also if the server's lists contradict each other for two seconds.
    """
    return _read_consistent(CachingClient(client, {}), request)


def read_collection(client: Client, address: Address, name: str) -> Resource | None:
    """The collection of this name on the cluster, as the resource of an address; None without one.

    Its details are read, and its points are counted if possible. Raises ClusterError.
    """
    only, names = frozenset({address}), ObjectNames.of({address: name})
    request = ReadRequest(
        Inventory(), Inventory(), details=only, counted=only, only=only, names=names
    )
    return read_live(client, request).get(address)


def _read_consistent(client: CachingClient, request: ReadRequest) -> Inventory:
    live, contradictions = poll(
        lambda: _read_once(client, request), lambda read: not read[1], timeout=SETTLING
    )
    if contradictions:
        raise ClusterError(
            f"{client.server.url}: the server's lists contradict each other, so it is not known "
            "what exists",
            why=". ".join(contradictions[:MANY]),
            hint="Is a list cached or filtered in between? Is every node up? Try again.",
        )
    return live


def _read_once(client: CachingClient, request: ReadRequest) -> tuple[Inventory, tuple[str, ...]]:
    """The live resources, and the contradictions in what the server said about them."""
    client.answers.clear()
    resources: list[Resource] = []
    with explain_misread(client.server.url):
        for kind in KINDS:
            if request.only is None or any(address.kind == kind.name for address in request.only):
                resources += kind.observe(client, request)
        live = Inventory(resources)
        return live, tuple(find_contradictions(client, request, live))


def with_details(
    client: Client,
    cluster_state: ClusterState,
    desired: Inventory,
    more: frozenset[Address],
    counted: frozenset[Address] = frozenset(),
    sized: frozenset[Address] = frozenset(),
) -> ClusterState:
    """The same state with the status of addresses, and of some the points or the size."""
    request = ReadRequest(
        desired,
        cluster_state.remembered,
        details=more,
        counted=counted,
        sized=sized,
        only=more,
        names=cluster_state.names,
        owners=cluster_state.owners,
    )
    fresh = read_live(client, request)
    return replace(cluster_state, live=Inventory([*cluster_state.live.values(), *fresh.values()]))
