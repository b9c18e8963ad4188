"""The flows of the lease: acquire, show and break it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from qdrantctl.adapters.qdrant import lease_lock, leases
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.lease_lock import HeldLease, LeaseGuardedClient, acquire_lease
from qdrantctl.adapters.system.actor import find_actor
from qdrantctl.model.actor import Actor
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import ClusterError, LeaseError, QdrantctlError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lease import (
    Lease,
    LeaseReport,
    format_time,
    replacements_owner,
    snapshots_owner,
)
from qdrantctl.model.polling import poll

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings

POLL = 1.0
"""Seconds between two attempts while another process holds the lease."""


@frozen
class LeaseWait:
    """How long to wait for the lease, and where to report the wait."""

    seconds: float
    notify: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    """Whether the caller cancelled."""


@contextmanager
def hold_lease(
    client: RestClient, owner: str, actor: Actor, wait: LeaseWait
) -> Iterator[LeaseGuardedClient]:
    """A client that writes under the owner's lease; the lease is always released at the end.

    Raises LeaseError if another process holds it, KeyboardInterrupt if the caller cancels the wait.
    """
    held_lease = _acquire_or_wait(client, owner, actor, wait)
    for expired_lease in held_lease.superseded:
        message = f"The lease {expired_lease.name} of {expired_lease.who}, expired"
        message += f" at {format_time(expired_lease.expires)}" if expired_lease.expires else ""
        wait.notify(f"{message}; taken over as {held_lease.lease.name}.")
    try:
        yield LeaseGuardedClient(client, held_lease)
    finally:
        try:
            held_lease.release()
        except ClusterError as error:
            why = f" ({error.why})" if error.why else ""
            wait.notify(
                f"The lease {held_lease.lease.name} could not be released: {error.what}{why}."
            )
            wait.notify("It expires automatically.")


def _acquire_or_wait(client: RestClient, owner: str, actor: Actor, wait: LeaseWait) -> HeldLease:
    until = time.monotonic() + wait.seconds
    last_reason = ""
    while True:
        try:
            return acquire_lease(client, owner, actor, str(uuid4()))
        except LeaseError as error:
            remaining = until - time.monotonic()
            if remaining <= 0:
                raise
            if error.why != last_reason:
                last_reason = error.why
                wait.notify(f"Waiting up to {wait.seconds:g} s. {last_reason}")
        if poll(wait.is_cancelled, timeout=min(POLL, remaining)):
            raise KeyboardInterrupt


def find_current_lease(client: Client, owner: str) -> Lease | None:
    """The newest lease, expired or not; None if there is none. Raises ClusterError."""
    current = leases.list_leases(client, owner)
    return current[-1] if current else None


def find_holder(client: NodeClient, owner: str) -> str:
    """Who holds the lease of an owner; empty without one, or once it has expired.

    Raises ClusterError.
    """
    lease = find_current_lease(client, owner)
    is_held = lease is not None and not lease.is_expired(client.server_time)
    return lease.who if lease is not None and is_held else ""


def wait_for_sign_of_life(
    client: RestClient, owner: str, seconds: float, notify: Callable[[str], None]
) -> None:
    """Wait until a lease is renewed, released or expired: until then its holder may be gone.

    A process that was killed leaves its lease. Raises ClusterError.
    """
    first = find_current_lease(client, owner) if seconds > 0 else None
    if first is None or first.is_expired(client.server_time):
        return
    notify(f"Waiting up to {seconds:g} s until the lease of {first.who} is renewed.")

    def has_changed() -> bool:
        lease = find_current_lease(client, owner)
        return lease != first or first.is_expired(client.server_time)

    poll(has_changed, timeout=seconds, interval=POLL)


def current_actor(settings: Settings) -> Actor:
    """The user and commit of this run, for the ledger's history and the lease."""
    return find_actor(settings.root, os.environ)


def lease_report(client: RestClient, owner: str) -> LeaseReport:
    """The leases of an owner, for each kind of job. Raises ClusterError."""
    applies, snapshots, replacements = (
        find_current_lease(client, lease_owner) for lease_owner in _lease_owners(owner)
    )
    return LeaseReport(owner, applies, snapshots, replacements, client.server_time)


def _lease_owners(owner: str) -> tuple[str, str, str]:
    return owner, snapshots_owner(owner), replacements_owner(owner)


def lease_note(client: RestClient, owner: str) -> str:
    """A note for a plan that is made while an apply is running; empty if none is."""
    holder = find_holder(client, owner)
    return holder and f"An apply of {owner} is running: {holder}. The plan may be out of date soon."


def find_named_lease(client: RestClient, owner: str, name: str) -> Lease:
    """The current lease with this name, of an apply or of another job.

    Raises QdrantctlError if `name` is not a current lease.
    """
    leases_of_owner = (find_current_lease(client, o) for o in _lease_owners(owner))
    held_leases = [lease for lease in leases_of_owner if lease]
    for lease in held_leases:
        if name in (lease.name, lease.word):
            return lease
    if not held_leases:
        raise QdrantctlError(f"no lease of {owner} is held on {client.server.url}")
    descriptions = (
        ", ".join(dict.fromkeys((lease.word, lease.name))) + f", held by {lease.who}"
        for lease in held_leases
    )
    raise QdrantctlError(
        f"{name!r} is not the lease of {owner} that is held on {client.server.url}",
        why=f"That is {'; and '.join(descriptions)}.",
        hint="`qdrantctl lease show` prints the current lease.",
    )


def break_lease(client: RestClient, lease: Lease) -> None:
    """Break a lease: its holder stops within seconds, and only then another client may get it.

    Raises QdrantctlError if it is no longer the current lease.
    """
    current = find_current_lease(client, lease.owner)
    if current is None or (current.number, current.id) != (lease.number, lease.id):
        raise QdrantctlError(
            f"the lease {lease.name} was released or taken over meanwhile; no lease was broken",
            hint="`qdrantctl lease show` prints the current lease.",
        )
    broken = [other for other in leases.list_leases(client, lease.owner)
              if other.number <= lease.number]  # fmt: skip
    for existing in broken:
        _revoke(client, existing)
    if not lease.is_expired(client.server_time):  # the holder may write while its proof lasts
        time.sleep(lease_lock.PROOF_SECONDS + lease_lock.SETTLE_SECONDS)
    for existing in broken:
        leases.delete_lease(client, existing)


def _revoke(client: RestClient, lease: Lease) -> None:
    """Stop the holder of a lease, unless the lease is gone. Raises ClusterError."""
    try:
        leases.revoke_lease(client, lease)
    except ClusterError as error:
        if not error.not_found:
            raise
