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
from threading import Event, Thread

from qdrantctl.adapters.qdrant import leases
from qdrantctl.adapters.qdrant.client import Cluster
from qdrantctl.model.actor import Identity
from qdrantctl.model.errors import ClusterError, LeaseError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import Lease, stamp
from qdrantctl.model.polling import poll
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call

LASTS = 120.0
"""Seconds after which a lease may be taken over that nobody renewed."""
RENEWED = 20.0
"""Seconds between two renewals."""
TRIES = 4
"""How often a lease is tried to be made when the cluster's answers do not fit together."""
PAUSE = 0.25
"""Seconds until every node of a cluster shows what one of them has answered."""
LEAVING = 2.0
"""Seconds that a renewal under way may take before the lease is given back regardless."""


class Holding:
    """A lease that this process holds."""

    def __init__(self, door: Cluster, lease: Lease, since: float, taken: tuple[Lease, ...]) -> None:
        self._door = door
        self.lease = lease
        self.taken = taken
        """The expired leases that it was taken over from."""
        self._renewed = since
        self._leaving = Event()
        self._renewing = Thread(target=self._keep, name="lease", daemon=True)
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
                self._renew(self._door)
            self._check(self._door)
            late = time.monotonic() - started > RENEWED

    def release(self) -> None:
        """Give it back, unless it is lost. Raises ClusterError where it stays until it expires."""
        self._leaving.set()
        self._renewing.join(LEAVING)
        with suppress(LeaseError):
            self._check(self._door)
            leases.delete(self._door, self.lease)

    def _keep(self) -> None:
        """Renew from time to time: a single request of an apply may take minutes."""
        with self._door.another() as door:
            pause = RENEWED
            while not self._leaving.wait(pause):
                try:
                    self._renew(door)
                    pause = RENEWED
                except LeaseError:
                    return  # the next confirmation says so
                except ClusterError:
                    pause = RENEWED / 4

    def _renew(self, door: Cluster) -> None:
        started = time.monotonic()
        self._check(door)
        leases.renew(door, self.lease, _end(door.now))
        self._renewed = started

    def _check(self, door: Cluster) -> None:
        """Raises LeaseError when it is lost; nodes of a cluster may answer late, so asks twice."""
        if not poll(lambda: self._stands(door), timeout=PAUSE, interval=PAUSE):
            raise self._lost(door)

    def _stands(self, door: Cluster) -> bool:
        owner, number = self.lease.owner, self.lease.number
        found = leases.read(door, owner, number)
        return bool(
            found and found.id == self.lease.id and not leases.exists(door, owner, number + 1)
        )

    def _lost(self, door: Cluster) -> LeaseError:
        others = [lease for lease in leases.standing(door, self.lease.owner)
                  if lease.id != self.lease.id]  # fmt: skip
        why = f"{others[-1].who}, as {others[-1].name}." if others else ""
        return LeaseError(
            f"{door.server.url}: the lease {self.lease.name} of this {self.lease.work} was "
            + ("taken over" if others else "broken, or taken over and released since"),
            why=why and f"Now it is held by {why}",
            hint="Nothing is written any more; plan again before the rest is applied.",
        )


@dataclass(frozen=True, slots=True)
class Fenced:
    """A door whose every write is let through only while the lease is held."""

    door: Cluster
    holding: Holding

    @property
    def server(self) -> Server:
        """The server behind the door."""
        return self.door.server

    def ask(self, call: Call) -> Json:
        """The answer. Raises LeaseError instead of writing when the lease is lost."""
        if call.writes:
            self.holding.confirm()
        return self.door.ask(call)

    def expect(self, calls: Iterable[Call]) -> None:
        """A hint for the door behind."""
        self.door.expect(calls)

    @property
    def now(self) -> datetime:
        """What the server's clock said with the last answer. Raises ClusterError."""
        return self.door.now

    def at(self, url: str = "", *, timeout: float) -> Fenced:
        """One node of the cluster, under the same lease."""
        return Fenced(self.door.at(url, timeout=timeout), self.holding)

    def download(self, call: Call) -> Iterator[bytes]:
        """The bytes that answer a GET, piece by piece. Raises ClusterError."""
        return self.door.download(call)

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
        self.door.upload_snapshot(collection, file_name, checksum, priority, chunks, size)

    def close(self) -> None:
        """Close the door behind."""
        self.door.close()


def acquire(door: Cluster, owner: str, identity: Identity, unique: str) -> Holding:
    """Take the owner's lease. Raises LeaseError where another holds it.

    `unique` is random, and tells this lease from every other.
    """
    for _ in range(TRIES):
        expired = tuple(leases.standing(door, owner))
        for other in expired:
            if not other.expired(door.now):
                raise held(other, door)
        since, number = time.monotonic(), expired[-1].number + 1 if expired else 1
        mine = Lease(owner, number, unique, identity.who, identity.commit, identity.run,
                     acquired=door.now, expires=_end(door.now))  # fmt: skip
        if _made(door, mine):
            if _alone(door, mine, expired):
                _remove(door, expired, mine)
                return Holding(door, mine, since, expired)
            leases.delete(door, mine)
        time.sleep(PAUSE)
    raise LeaseError(
        f"{door.server.url}: the lease of {owner} could not be taken",
        why="Others took it and gave it back at the same time.",
        hint="Try again.",
    )


def held(lease: Lease, door: Cluster) -> LeaseError:
    """What to say to whoever wants a lease that another holds."""
    words = f"run `qdrantctl lease break {lease.word}` if that {lease.work} is dead."
    if lease.expires:
        until = f"If it dies it can be taken over after {stamp(lease.expires)}"
        until += f" ({lease.remaining(door.now)} s)"
        words = f"Wait with --lease-timeout SECONDS. {until}; {words}"
    return LeaseError(
        f"{door.server.url}: another {lease.work} of {lease.whose} is running; nothing was done",
        why=f"The lease {lease.name} is held by {lease.who}.",
        hint=words[0].upper() + words[1:],
    )


def _end(now: datetime) -> datetime:
    return now + timedelta(seconds=LASTS)


def _made(door: Cluster, mine: Lease) -> bool:
    """Whether the lease was made. Where it may have been, looking tells."""
    try:
        leases.create(door, mine)
    except ClusterError as error:
        if error.conflict:
            return False
        found = leases.read(door, mine.owner, mine.number) if error.maybe_applied else None
        if found is None or found.id != mine.id:
            if error.maybe_applied:
                error.hint += f" Should {mine.name} appear later, it stands until it expires."
            raise
    return True


def _alone(door: Cluster, mine: Lease, expired: tuple[Lease, ...]) -> bool:
    """Whether no lease has come that was not there, expired, before this one was made."""
    known = {(lease.number, lease.id) for lease in (*expired, mine)}
    return {(other.number, other.id) for other in leases.standing(door, mine.owner)} <= known


def _remove(door: Cluster, expired: tuple[Lease, ...], mine: Lease) -> None:
    """Remove what was taken over, so that who held it stops. Raises ClusterError, holding none."""
    try:
        for other in expired:
            leases.delete(door, other)
    except ClusterError:
        with suppress(ClusterError):
            leases.delete(door, mine)
        raise
