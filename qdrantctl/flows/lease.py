"""The flows of the lease: applying under it, showing it, breaking it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from qdrantctl.adapters.qdrant import leases
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.lease_lock import HeldLease, LeaseGuardedClient, acquire_lease
from qdrantctl.adapters.system.actor import find_actor
from qdrantctl.model.actor import Actor
from qdrantctl.model.errors import ClusterError, LeaseError, QdrantctlError
from qdrantctl.model.lease import Lease, LeaseReport, format_time, snapshots_owner
from qdrantctl.model.polling import poll

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings

POLL = 1.0
"""Seconds after which a lease that another holds is looked at again."""


@dataclass(frozen=True, slots=True)
class LeaseWait:
    """How long to wait for the lease, and whom to tell."""

    seconds: float
    notify: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    """Whether the caller cancelled."""


@contextmanager
def hold_lease(
    client: RestClient, owner: str, actor: Actor, wait: LeaseWait
) -> Iterator[LeaseGuardedClient]:
    """A door that writes under the owner's lease; it is given back at the end, whatever happens.

    Raises LeaseError where another holds it, KeyboardInterrupt when asked to stop waiting.
    """
    holding = _acquire_or_wait(client, owner, actor, wait)
    for other in holding.superseded:
        words = f"The lease {other.name} of {other.who}, expired"
        words += f" at {format_time(other.expires)}" if other.expires else ""
        wait.notify(f"{words}; taken over as {holding.lease.name}.")
    try:
        yield LeaseGuardedClient(client, holding)
    finally:
        try:
            holding.release()
        except ClusterError as error:
            why = f" ({error.why})" if error.why else ""
            wait.notify(f"The lease {holding.lease.name} could not be released: {error.what}{why}.")
            wait.notify("It expires by itself.")


def _acquire_or_wait(client: RestClient, owner: str, actor: Actor, wait: LeaseWait) -> HeldLease:
    until = time.monotonic() + wait.seconds
    told = ""
    while True:
        try:
            return acquire_lease(client, owner, actor, str(uuid4()))
        except LeaseError as error:
            left = until - time.monotonic()
            if left <= 0:
                raise
            if error.why != told:
                told = error.why
                wait.notify(f"Waiting up to {wait.seconds:g} s. {told}")
        if poll(wait.is_cancelled, timeout=min(POLL, left)):
            raise KeyboardInterrupt


def find_current_lease(client: RestClient, owner: str) -> Lease | None:
    """The lease that counts, expired or not; None if no apply is running. Raises ClusterError."""
    found = leases.list_leases(client, owner)
    return found[-1] if found else None


def current_actor(settings: Settings) -> Actor:
    """Who runs this command, and from which commit, for the ledger's history and the lease."""
    return find_actor(settings.root, os.environ)


def lease_report(client: RestClient, owner: str) -> LeaseReport:
    """The leases of an owner, of applies and of jobs on snapshots. Raises ClusterError."""
    applies, snapshots = (
        find_current_lease(client, owner),
        find_current_lease(client, snapshots_owner(owner)),
    )
    return LeaseReport(owner, applies, snapshots, client.server_time)


def lease_note(client: RestClient, owner: str) -> str:
    """What to say beside a plan while an apply is running; empty when none is."""
    lease = find_current_lease(client, owner)
    if lease is None or lease.is_expired(client.server_time):
        return ""
    return f"An apply of {owner} is running: {lease.who}. This may change meanwhile."


def find_named_lease(client: RestClient, owner: str, name: str) -> Lease:
    """The lease that counts and is meant, of an apply or of a job on snapshots.

    Raises QdrantctlError.
    """
    both = (find_current_lease(client, one) for one in (owner, snapshots_owner(owner)))
    found = [lease for lease in both if lease]
    for lease in found:
        if name in (lease.name, lease.word):
            return lease
    if not found:
        raise QdrantctlError(f"no lease of {owner} is held on {client.server.url}")
    held = (", ".join(dict.fromkeys((each.word, each.name))) + f", held by {each.who}"
            for each in found)  # fmt: skip
    raise QdrantctlError(
        f"{name!r} is not the lease of {owner} that is held on {client.server.url}",
        why=f"That is {'; and '.join(held)}.",
        hint="Look at it with `qdrantctl lease show`.",
    )


def break_lease(client: RestClient, lease: Lease) -> None:
    """Break a lease: its holder stops before the next write.

    Raises QdrantctlError when it is no longer the one that was looked at.
    """
    now = find_current_lease(client, lease.owner)
    if now is None or (now.number, now.id) != (lease.number, lease.id):
        raise QdrantctlError(
            f"the lease {lease.name} was released or taken over meanwhile; nothing was broken",
            hint="Look again with `qdrantctl lease show`.",
        )
    for other in leases.list_leases(client, lease.owner):
        if other.number <= lease.number:
            leases.delete_lease(client, other)
