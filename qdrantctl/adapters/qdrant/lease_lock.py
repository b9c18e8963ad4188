"""Holding a lease: acquiring it, renewing it, detecting its loss, releasing it.

Qdrant has no conditional write, so exclusion depends on three re-reads. A client that has created a
lease lists all leases before its own is valid, and withdraws if another one is not expired. A
client that takes over an expired lease removes it before its own is valid. And a holder writes only
with a proof that is younger than `PROOF_SECONDS`: its lease, read again, had the same id, and no
lease with a higher number existed.

The proof may be that old because a lease is lost in two ways only. It is taken over once it has
expired: not before 120 seconds after its last renewal, and a proof renews a lease that was not
renewed for 60. Or it is broken: `lease break` changes the id first, waits until every older proof
has ended, and only then removes the lease, so that no other client holds one before. A process that
was suspended finds its proof too old, as the wall clock and the server's count as well as the
monotonic one. Only requests that were already sent when a lease is lost can arrive too late.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Lock, Thread
from typing import NamedTuple

from qdrantctl.adapters.qdrant import leases
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.model.actor import Actor
from qdrantctl.model.errors import ClusterError, LeaseError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import Lease, format_time
from qdrantctl.model.polling import poll
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call

LEASE_SECONDS = 120.0
"""Seconds after which a lease may be taken over if it was not renewed."""
RENEW_SECONDS = 20.0
"""Seconds between two renewals."""
PROOF_SECONDS = 2.0
"""Seconds for which a lease that was read again counts as held."""
ACQUIRE_TRIES = 4
"""How often acquiring a lease is tried when the cluster's responses contradict each other."""
SETTLE_SECONDS = 0.25
"""Seconds until every node of a cluster reports a change that one of them has confirmed."""
RELEASE_SECONDS = 2.0
"""Seconds that a renewal may take to finish before the lease is released."""


class Moment(NamedTuple):
    """One moment on three clocks, in seconds. Each may stand still while a process is paused."""

    monotonic: float
    wall: float
    server: float
    """From the `Date` header of the last response, in whole seconds."""

    @classmethod
    def now(cls, client: RestClient) -> Moment:
        """This moment. Raises ClusterError if the server states no time."""
        return cls(time.monotonic(), time.time(), client.server_time.timestamp())

    def age(self, now: Moment) -> float:
        """Seconds that have passed, by the clock that counts most of them.

        A wall clock that was set back counts, too. The server's one is exact to a second.
        """
        server = abs(now.server - self.server) - 1
        return max(now.monotonic - self.monotonic, abs(now.wall - self.wall), server)


class HeldLease:
    """A lease that this process holds. Any of its threads may confirm it."""

    def __init__(
        self, client: RestClient, lease: Lease, since: Moment, superseded: tuple[Lease, ...]
    ) -> None:
        self._client = client
        self.lease = lease
        self.superseded = superseded
        """The expired leases that this one replaced."""
        self._renewed = since.monotonic
        self._confirming = Lock()
        self._proof = since
        """When the last confirmation that found it held began."""
        self._stopping = Event()
        self._renewing = Thread(target=self._renew_repeatedly, name="lease", daemon=True)
        self._renewing.start()

    def confirm(self) -> None:
        """Check that the lease is still held. Raises LeaseError if it is not.

        A proof that is young enough counts; threads that need a new one at the same time share it.
        A process that was paused renews first, so that no other client takes the lease over
        meanwhile; a confirmation that took too long is repeated.
        """
        asked = Moment.now(self._client)
        with self._confirming:
            late = self._proof.age(asked) > PROOF_SECONDS
            while late:
                started = Moment.now(self._client)
                if started.monotonic - self._renewed > LEASE_SECONDS / 2:
                    self._renew_once(self._client)
                self._check_once(self._client)
                self._proof = started
                late = time.monotonic() - started.monotonic > RENEW_SECONDS

    def release(self) -> None:
        """Release the lease, unless it is lost. Raises ClusterError; it expires later then."""
        self._stopping.set()
        self._renewing.join(RELEASE_SECONDS)
        with suppress(LeaseError):
            self._check_once(self._client)
            leases.delete_lease(self._client, self.lease)

    def _renew_repeatedly(self) -> None:
        """Renew from time to time: a single request of an apply may take minutes."""
        with self._client.clone() as client:
            pause = RENEW_SECONDS
            while not self._stopping.wait(pause):
                try:
                    self._renew_once(client)
                    pause = RENEW_SECONDS
                except LeaseError:
                    return  # the next confirmation raises it
                except ClusterError:
                    pause = RENEW_SECONDS / 4

    def _renew_once(self, client: RestClient) -> None:
        started = time.monotonic()
        self._check_once(client)
        leases.renew_lease(client, self.lease, _expiry_time(client.server_time))
        self._renewed = started

    def _check_once(self, client: RestClient) -> None:
        """Raise LeaseError if the lease is lost. Checks twice, as nodes may lag behind."""
        still_held = partial(self._is_still_held, client)
        if not poll(still_held, timeout=SETTLE_SECONDS, interval=SETTLE_SECONDS):
            raise self._lease_lost(client)

    def _is_still_held(self, client: RestClient) -> bool:
        lease = leases.read_newest_lease(client, self.lease.owner, self.lease.number)
        return lease is not None and lease.id == self.lease.id

    def _lease_lost(self, client: RestClient) -> LeaseError:
        others = [lease for lease in leases.list_leases(client, self.lease.owner)
                  if lease.id != self.lease.id and not leases.is_revoked(lease)]  # fmt: skip
        holder = f"{others[-1].who}, as {others[-1].name}." if others else ""
        return LeaseError(
            f"{client.server.url}: the lease {self.lease.name} of this {self.lease.work} was "
            + ("taken over" if others else "broken, or taken over and released since"),
            why=holder and f"Now it is held by {holder}",
            hint="No further changes are made; plan again before applying the rest.",
        )


@dataclass(frozen=True, slots=True)
class LeaseGuardedClient:
    """A client that sends writes only while the lease is held."""

    client: RestClient
    held_lease: HeldLease

    @property
    def server(self) -> Server:
        """The server of the guarded client."""
        return self.client.server

    def request(self, call: Call) -> Json:
        """The result of a request. Raises LeaseError instead of writing if the lease is lost."""
        if call.writes:
            self.held_lease.confirm()
        return self.client.request(call)

    def prefetch(self, calls: Iterable[Call]) -> None:
        """Announce GETs to the guarded client."""
        self.client.prefetch(calls)

    @property
    def server_time(self) -> datetime:
        """The server's clock, from the last response. Raises ClusterError."""
        return self.client.server_time

    def for_node(self, url: str = "", *, timeout: float) -> LeaseGuardedClient:
        """A client for one node of the cluster, under the same lease."""
        return LeaseGuardedClient(self.client.for_node(url, timeout=timeout), self.held_lease)

    def download(self, call: Call) -> Iterator[bytes]:
        """The response body of a GET, piece by piece. Raises ClusterError."""
        return self.client.download(call)

    def upload_snapshot(
        self,
        collection: str,
        file_name: str,
        checksum: str,
        priority: str,
        chunks: Iterable[bytes],
        size: int,
    ) -> None:
        """Upload a snapshot file. Raises LeaseError instead if the lease is lost."""
        self.held_lease.confirm()
        self.client.upload_snapshot(collection, file_name, checksum, priority, chunks, size)

    def close(self) -> None:
        """Close the guarded client."""
        self.client.close()


def acquire_lease(client: RestClient, owner: str, actor: Actor, unique: str) -> HeldLease:
    """Acquire the owner's lease. Raises LeaseError if another client holds it.

    `unique` is a random id that distinguishes this lease from every other.
    """
    for _ in range(ACQUIRE_TRIES):
        expired = tuple(leases.list_leases(client, owner))
        for lease in expired:
            if not lease.is_expired(client.server_time):
                raise lease_held_error(lease, client)
        since, number = Moment.now(client), expired[-1].number + 1 if expired else 1
        new_lease = Lease(owner, number, unique, actor.who, actor.commit, actor.run,
                     acquired=client.server_time,
                     expires=_expiry_time(client.server_time))  # fmt: skip
        if _create_lease(client, new_lease):
            if _is_only_lease(client, new_lease, expired):
                _remove_expired(client, expired, new_lease)
                return HeldLease(client, new_lease, since, expired)
            leases.delete_lease(client, new_lease)
        time.sleep(SETTLE_SECONDS)
    raise LeaseError(
        f"{client.server.url}: the lease of {owner} could not be acquired",
        why="Other clients acquired and released it at the same time.",
        hint="Try again.",
    )


def lease_held_error(lease: Lease, client: RestClient) -> LeaseError:
    """The error for a lease that another client holds."""
    hint = f"run `qdrantctl lease break {lease.word}` if that {lease.work} has crashed."
    if lease.expires:
        until = f"If it crashes, its lease can be taken over after {format_time(lease.expires)}"
        until += f" ({lease.remaining(client.server_time)} s)"
        hint = f"Wait with --lease-timeout SECONDS. {until}; {hint}"
    return LeaseError(
        f"{client.server.url}: another {lease.work} of {lease.whose} is running; "
        "no changes were made",
        why=f"The lease {lease.name} is held by {lease.who}.",
        hint=hint[0].upper() + hint[1:],
    )


def _expiry_time(now: datetime) -> datetime:
    return now + timedelta(seconds=LEASE_SECONDS)


def _create_lease(client: RestClient, new_lease: Lease) -> bool:
    """Create the lease; whether it was created. Reads it back if the outcome is unknown."""
    try:
        leases.create_lease(client, new_lease)
    except ClusterError as error:
        if error.conflict:
            return False
        existing = (
            leases.read_lease(client, new_lease.owner, new_lease.number)
            if error.maybe_applied
            else None
        )
        if existing is None or existing.id != new_lease.id:
            if error.maybe_applied:
                error.hint += f" If {new_lease.name} appears later, it remains until it expires."
            raise
    return True


def _is_only_lease(client: RestClient, new_lease: Lease, expired: tuple[Lease, ...]) -> bool:
    """Whether no lease exists but the new one and those that were expired before."""
    expected = {(lease.number, lease.id) for lease in (*expired, new_lease)}
    return {
        (other.number, other.id) for other in leases.list_leases_beside(client, new_lease)
    } <= expected


def _remove_expired(client: RestClient, expired: tuple[Lease, ...], new_lease: Lease) -> None:
    """Remove the expired leases, so that their holders stop.

    Raises ClusterError, after which no lease is held.
    """
    try:
        for lease in expired:
            leases.delete_lease(client, lease)
    except ClusterError:
        with suppress(ClusterError):
            leases.delete_lease(client, new_lease)
        raise
