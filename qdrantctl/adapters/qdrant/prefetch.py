"""Reads that are sent before their responses are needed, so that the server works in parallel.

Prefetching is only a hint: a read that failed or was not announced is sent as usual.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Thread
from typing import NamedTuple

from qdrantctl.adapters.qdrant.http import HttpConnection, HttpResponse

LANES = 6
"""Connections with one pending read each. Measured: four to eight are equal, one is slower."""
READS_PER_LANE = 4
"""Reads per connection; with fewer, opening the connection costs more than it saves."""
FAR_SECONDS = 0.02
"""From this duration of a response on, a server is far: waiting costs more than a connection."""
LANES_WHEN_FAR = 16


class Read(NamedTuple):
    """A request that changes nothing."""

    method: str
    target: str
    body: bytes


@dataclass(slots=True)
class _Lane:
    """A connection with at most one pending read."""

    connection: HttpConnection
    sending: Thread | None = None
    is_sent: bool = False

    def send(self, read: Read, *, is_far: bool) -> None:
        """Send a read. A thread opens the connection where that takes long."""
        if is_far and not self.connection.is_open:
            self.sending = Thread(target=self._send_now, args=(read,), daemon=True)
            self.sending.start()
        else:
            self._send_now(read)

    def _send_now(self, read: Read) -> None:
        self.is_sent = self.connection.send_read(*read)

    def receive(self) -> HttpResponse | None:
        """The response to the pending read; None without one."""
        self._wait()
        return self.connection.receive() if self.is_sent else None

    def close(self) -> None:
        """Close the connection."""
        self._wait()
        self.connection.close()

    def _wait(self) -> None:
        if self.sending:
            self.sending.join()
            self.sending = None


class Prefetcher:
    """Pending reads, each on a connection of its own."""

    def __init__(self, connect: Callable[[], HttpConnection]) -> None:
        self._connect = connect
        self._announced: deque[Read] = deque()
        self._pending: dict[Read, _Lane] = {}
        self._idle: list[_Lane] = []
        self._is_far = False

    def announce(self, reads: Iterable[Read]) -> None:
        """Announce reads that will be requested, in this order."""
        if not self._is_far:
            self.drop_pending()
        self._announced = deque(read for read in reads if read not in self._pending)
        for _ in range(self._lane_count()):
            self._send_next(self._idle.pop() if self._idle else _Lane(self._connect()))

    def announce_if_far(self, reads: Iterable[Read], took: float) -> None:
        """Announce the first reads to a server whose first response `took` so many seconds.

        A near server answers a few reads as quickly one after the other.
        """
        self._is_far = took >= FAR_SECONDS
        if self._is_far:
            self.announce(reads)

    def take_response(self, read: Read) -> HttpResponse | None:
        """The response to a prefetched read; None if it was not sent."""
        if (lane := self._pending.pop(read, None)) is None:
            return None
        answer = lane.receive()
        self._send_next(lane)
        return answer

    def drop_pending(self) -> None:
        """Drop all pending reads: after a write their responses are out of date."""
        for lane in self._pending.values():
            lane.close()
        self._pending.clear()
        self._announced.clear()

    def close(self) -> None:
        """Close all connections."""
        self.drop_pending()
        for lane in self._idle:
            lane.close()
        self._idle.clear()

    def _lane_count(self) -> int:
        """How many announced reads are sent at once."""
        if self._is_far:
            return min(LANES_WHEN_FAR - len(self._pending), len(self._announced))
        count = len(self._announced)
        return min(LANES, count // READS_PER_LANE) if count > READS_PER_LANE else 0

    def _send_next(self, lane: _Lane) -> None:
        """Send the next read on a free connection. Without one it is kept, if the server is far."""
        if self._announced:
            read = self._announced.popleft()
            lane.send(read, is_far=self._is_far)
            self._pending[read] = lane
        elif self._is_far:
            self._idle.append(lane)
        else:
            lane.close()
