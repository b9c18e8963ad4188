"""Holding a lease: taking it, keeping it, seeing that it is lost, giving it back.

Qdrant has no conditional write, so exclusion rests on three re-reads. Whoever has made a lease
lists them all before it counts, and withdraws when it sees one that was not expired before. Whoever
takes over an expired one has removed it before the new one counts. And whoever holds one re-reads
it before each write (two GETs, 0.8 ms): it must still be the same one, with no higher number beside
it. Only a request that is already on its way when a lease is lost can come too late; at 120
seconds, renewed every 20, that takes a process paused in the millisecond between re-read and write.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Thread

from qdrantctl.adapters.qdrant import leases
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.model.actor import Actor
from qdrantctl.model.errors import ClusterError, LeaseError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import Lease, format_time
from qdrantctl.model.polling import poll
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call

LASTS = 120.0
"""Seconds after which a lease may be taken over that nobody renewed."""
RENEWED = 20.0
"""Seconds between two renewals."""
ACQUIRE_TRIES = 4
"""How often a lease is tried to be made when the cluster's answers do not fit together."""
SETTLE_SECONDS = 0.25
"""Seconds until every node of a cluster shows what one of them has answered."""
LEAVING = 2.0
"""Seconds that a renewal under way may take before the lease is given back regardless."""


class HeldLease:
    """A lease that this process holds."""

    def __init__(
        self, client: RestClient, lease: Lease, since: float, taken: tuple[Lease, ...]
    ) -> None:
        self._client = client
        self.lease = lease
        self.taken = taken
        """The expired leases that it was taken over from."""
        self._renewed = since
        self._leaving = Event()
        self._renewing = Thread(target=self._renew_repeatedly, name="lease", daemon=True)
        self._renewing.start()

    def confirm(self) -> None:
        """See that it is still held, right now. Raises LeaseError where it is not.

        A process that was paused renews first, so that nobody takes the lease over meanwhile; and
        a confirmation that took so long that somebody may have is made again.
        """
        late = True
        while late:
            started = time.monotonic()
            if started - self._renewed > LASTS / 2:
                self._renew_once(self._client)
            self._check_once(self._client)
            late = time.monotonic() - started > RENEWED

    def release(self) -> None:
        """Give it back, unless it is lost. Raises ClusterError where it stays until it expires."""
        self._leaving.set()
        self._renewing.join(LEAVING)
        with suppress(LeaseError):
            self._check_once(self._client)
            leases.delete_lease(self._client, self.lease)

    def _renew_repeatedly(self) -> None:
        """Renew from time to time: a single request of an apply may take minutes."""
        with self._client.clone() as client:
            pause = RENEWED
            while not self._leaving.wait(pause):
                try:
                    self._renew_once(client)
                    pause = RENEWED
                except LeaseError:
                    return  # the next confirmation says so
                except ClusterError:
                    pause = RENEWED / 4

    def _renew_once(self, client: RestClient) -> None:
        started = time.monotonic()
        self._check_once(client)
        leases.renew_lease(client, self.lease, _expiry_time(client.server_time))
        self._renewed = started

    def _check_once(self, client: RestClient) -> None:
        """Raises LeaseError when it is lost; nodes of a cluster may answer late, so asks twice."""
        still_held = partial(self._is_still_held, client)
        if not poll(still_held, timeout=SETTLE_SECONDS, interval=SETTLE_SECONDS):
            raise self._lease_lost(client)

    def _is_still_held(self, client: RestClient) -> bool:
        owner, number = self.lease.owner, self.lease.number
        found = leases.read_lease(client, owner, number)
        return bool(
            found
            and found.id == self.lease.id
            and not leases.lease_exists(client, owner, number + 1)
        )

    def _lease_lost(self, client: RestClient) -> LeaseError:
        others = [lease for lease in leases.list_leases(client, self.lease.owner)
                  if lease.id != self.lease.id]  # fmt: skip
        why = f"{others[-1].who}, as {others[-1].name}." if others else ""
        return LeaseError(
            f"{client.server.url}: the lease {self.lease.name} of this {self.lease.work} was "
            + ("taken over" if others else "broken, or taken over and released since"),
            why=why and f"Now it is held by {why}",
            hint="Nothing is written any more; plan again before the rest is applied.",
        )


@dataclass(frozen=True, slots=True)
class LeaseGuardedClient:
    """A door whose every write is let through only while the lease is held."""

    client: RestClient
    holding: HeldLease

    @property
    def server(self) -> Server:
        """The server behind the door."""
        return self.client.server

    def request(self, call: Call) -> Json:
        """The answer. Raises LeaseError instead of writing when the lease is lost."""
        if call.writes:
            self.holding.confirm()
        return self.client.request(call)

    def prefetch(self, calls: Iterable[Call]) -> None:
        """A hint for the door behind."""
        self.client.prefetch(calls)

    @property
    def server_time(self) -> datetime:
        """What the server's clock said with the last answer. Raises ClusterError."""
        return self.client.server_time

    def for_node(self, url: str = "", *, timeout: float) -> LeaseGuardedClient:
        """One node of the cluster, under the same lease."""
        return LeaseGuardedClient(self.client.for_node(url, timeout=timeout), self.holding)

    def download(self, call: Call) -> Iterator[bytes]:
        """The bytes that answer a GET, piece by piece. Raises ClusterError."""
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
        """Send a file. Raises LeaseError instead when the lease is lost."""
        self.holding.confirm()
        self.client.upload_snapshot(collection, file_name, checksum, priority, chunks, size)

    def close(self) -> None:
        """Close the door behind."""
        self.client.close()


def acquire_lease(client: RestClient, owner: str, actor: Actor, unique: str) -> HeldLease:
    """Take the owner's lease. Raises LeaseError where another holds it.

    `unique` is random, and tells this lease from every other.
    """
    for _ in range(ACQUIRE_TRIES):
        expired = tuple(leases.list_leases(client, owner))
        for other in expired:
            if not other.is_expired(client.server_time):
                raise lease_held_error(other, client)
        since, number = time.monotonic(), expired[-1].number + 1 if expired else 1
        mine = Lease(owner, number, unique, actor.who, actor.commit, actor.run,
                     acquired=client.server_time,
                     expires=_expiry_time(client.server_time))  # fmt: skip
        if _create_lease(client, mine):
            if _is_only_lease(client, mine, expired):
                _remove_expired(client, expired, mine)
                return HeldLease(client, mine, since, expired)
            leases.delete_lease(client, mine)
        time.sleep(SETTLE_SECONDS)
    raise LeaseError(
        f"{client.server.url}: the lease of {owner} could not be taken",
        why="Others took it and gave it back at the same time.",
        hint="Try again.",
    )


def lease_held_error(lease: Lease, client: RestClient) -> LeaseError:
    """What to say to whoever wants a lease that another holds."""
    words = f"run `qdrantctl lease break {lease.word}` if that {lease.work} is dead."
    if lease.expires:
        until = f"If it dies it can be taken over after {format_time(lease.expires)}"
        until += f" ({lease.remaining(client.server_time)} s)"
        words = f"Wait with --lease-timeout SECONDS. {until}; {words}"
    return LeaseError(
        f"{client.server.url}: another {lease.work} of {lease.whose} is running; "
        "no changes were made",
        why=f"The lease {lease.name} is held by {lease.who}.",
        hint=words[0].upper() + words[1:],
    )


def _expiry_time(now: datetime) -> datetime:
    return now + timedelta(seconds=LASTS)


def _create_lease(client: RestClient, mine: Lease) -> bool:
    """Whether the lease was made. Where it may have been, looking tells."""
    try:
        leases.create_lease(client, mine)
    except ClusterError as error:
        if error.conflict:
            return False
        found = leases.read_lease(client, mine.owner, mine.number) if error.maybe_applied else None
        if found is None or found.id != mine.id:
            if error.maybe_applied:
                error.hint += f" Should {mine.name} appear later, it stands until it expires."
            raise
    return True


def _is_only_lease(client: RestClient, mine: Lease, expired: tuple[Lease, ...]) -> bool:
    """Whether no lease has come that was not there, expired, before this one was made."""
    known = {(lease.number, lease.id) for lease in (*expired, mine)}
    return {(other.number, other.id) for other in leases.list_leases(client, mine.owner)} <= known


def _remove_expired(client: RestClient, expired: tuple[Lease, ...], mine: Lease) -> None:
    """Remove what was taken over, so that who held it stops. Raises ClusterError, holding none."""
    try:
        for other in expired:
            leases.delete_lease(client, other)
    except ClusterError:
        with suppress(ClusterError):
            leases.delete_lease(client, mine)
        raise
