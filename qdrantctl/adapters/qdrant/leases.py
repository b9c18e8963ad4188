"""Leases as they are stored on the cluster: who applies for an owner, and until when.

A lease is a collection `_qdrantctl_lease.<project>.<environment>.<n>`, since creating a collection
is the only request that Qdrant grants to just one of two concurrent clients. `n` is incremented
when an expired lease is taken over; `lease_lock.py` decides which lease is held. The holder and the
expiry are in the collection's metadata. Servers before 1.15.4 have no metadata: there they are in a
point that is written next, and a client that crashes in between leaves a lease that only
`lease break` removes.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.internal_collection import (
    internal_collection_request,
    supports_metadata,
)
from qdrantctl.model.client import Client, get_or_none
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import Lease, format_time, lease_name
from qdrantctl.model.step import Call, collection_path

LEASE_DELETE_TRIES = 3
"""How often a deletion is sent if its outcome is unknown."""
LONGEST_TERM = 200
"""Characters of each text about the holder that are shown."""
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_POINT = 1
_REVOKED = "revoked "


def list_leases(client: Client, owner: str) -> list[Lease]:
    """The leases of an owner, the lowest number first. Raises ClusterError."""
    prefix = lease_name(owner, "")
    listed = client.request(_list_request())["collections"]
    rests = [entry["name"][len(prefix) :] for entry in listed if entry["name"].startswith(prefix)]
    numbers = sorted(int(rest) for rest in rests if _NUMBER.fullmatch(rest))
    return [lease for number in numbers if (lease := read_lease(client, owner, number))]


def _list_request() -> Call:
    return Call(method="GET", path="/collections")


def read_lease(client: Client, owner: str, number: int) -> Lease | None:
    """One lease; None where there is none. Raises ClusterError."""
    response = get_or_none(client, _lease_request(client, owner, number))
    if supports_metadata(client.server):
        terms = response and response["config"].get("metadata")
    else:
        terms = response and response["points"] and response["points"][0].get("payload")
    if response is None:
        return None
    return _parse_lease(owner, number, terms if isinstance(terms, dict) else {})


def _lease_request(client: Client, owner: str, number: int) -> Call:
    name = lease_name(owner, number)
    if supports_metadata(client.server):
        return Call(method="GET", path=collection_path(name))
    return Call(method="POST", path=collection_path(name, "points", "scroll"), body={"limit": 1})


def list_leases_beside(client: RestClient, lease: Lease) -> list[Lease]:
    """The leases of its owner, with this one, which was created. Raises ClusterError."""
    client.prefetch((_list_request(), _lease_request(client, lease.owner, lease.number)))
    return list_leases(client, lease.owner)


def lease_exists(client: RestClient, owner: str, number: int) -> bool:
    """Whether a lease with this number exists. Raises ClusterError."""
    return bool(client.request(_existence_request(owner, number))["exists"])


def _existence_request(owner: str, number: int) -> Call:
    return Call(method="GET", path=collection_path(lease_name(owner, number), "exists"))


def read_newest_lease(client: RestClient, owner: str, number: int) -> Lease | None:
    """A lease, unless one with a higher number exists. Raises ClusterError."""
    client.prefetch((_lease_request(client, owner, number), _existence_request(owner, number + 1)))
    lease = read_lease(client, owner, number)
    is_superseded = lease_exists(client, owner, number + 1)  # also without a lease: it is sent
    return None if is_superseded else lease


def create_lease(client: RestClient, lease: Lease) -> None:
    """Create a lease. The server grants it to one client only; others get ClusterError 409."""
    terms = _lease_terms(lease)
    client.request(internal_collection_request(client.server, lease.name, terms))
    if not supports_metadata(client.server):
        try:
            _write_lease_point(client, lease.name, terms)
        except ClusterError:
            with suppress(ClusterError):
                delete_lease(client, lease)
            raise


def renew_lease(client: RestClient, lease: Lease, expires: datetime) -> None:
    """Extend a lease. Raises ClusterError."""
    _change_term(client, lease, "expires", format_time(expires))


def revoke_lease(client: RestClient, lease: Lease) -> None:
    """Give a lease an id that its holder does not know; it still excludes every other client.

    Raises ClusterError.
    """
    _change_term(client, lease, "id", f"{_REVOKED}{lease.id}")


def is_revoked(lease: Lease) -> bool:
    """Whether a lease is being broken."""
    return lease.id.startswith(_REVOKED)


def _change_term(client: RestClient, lease: Lease, term: str, value: str) -> None:
    """Change one of the terms of a lease, and leave the others as they are."""
    if supports_metadata(client.server):
        body: dict[str, Json] = {"metadata": {term: value}}
        client.request(Call(method="PATCH", path=collection_path(lease.name), body=body))
    else:
        query = {"wait": "true", "ordering": "strong"}
        path = collection_path(lease.name, "points", "payload")
        body = {"payload": {term: value}, "points": [_POINT]}
        client.request(Call(method="POST", path=path, query=query, body=body))


def delete_lease(client: RestClient, lease: Lease) -> None:
    """Remove a lease; it may be removed already. Raises ClusterError."""
    for remaining_tries in range(LEASE_DELETE_TRIES - 1, -1, -1):
        try:
            client.request(Call(method="DELETE", path=collection_path(lease.name)))
        except ClusterError as error:
            if not error.maybe_applied or not remaining_tries:
                raise
        else:
            return


def _write_lease_point(client: RestClient, name: str, terms: dict[str, Json]) -> None:
    query = {"wait": "true", "ordering": "strong"}
    body = {"points": [{"id": _POINT, "vector": {}, "payload": terms}]}
    client.request(Call(method="PUT", path=collection_path(name, "points"), query=query, body=body))


def _lease_terms(lease: Lease) -> dict[str, Json]:
    assert lease.acquired is not None
    assert lease.expires is not None
    return {
        "id": lease.id,
        "holder": lease.holder,
        "commit": lease.commit,
        "run": lease.run,
        "acquired": format_time(lease.acquired),
        "expires": format_time(lease.expires),
    }


def _parse_lease(owner: str, number: int, terms: dict[str, Json]) -> Lease:
    return Lease(
        owner,
        number,
        id=str(terms.get("id", "")),
        holder=_printable_line(terms.get("holder")),
        commit=_printable_line(terms.get("commit")),
        run=_printable_line(terms.get("run")),
        acquired=_parse_lease_time(terms.get("acquired")),
        expires=_parse_lease_time(terms.get("expires")),
    )


def _printable_line(value: Json) -> str:
    """One printable line, since it appears in terminals and logs."""
    text = value if isinstance(value, str) else ""
    return "".join(char for char in text if char.isprintable())[:LONGEST_TERM]


def _parse_lease_time(value: Json) -> datetime | None:
    try:
        when = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else None
