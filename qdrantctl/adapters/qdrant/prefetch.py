"""Reads that are sent before their responses are needed, so that the server works in parallel.

Prefetching is only a hint: a read that failed or was not announced is sent as usual.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from qdrantctl.adapters.qdrant.http import HttpConnection, HttpResponse

LANES = 6
"""Connections with one pending read each. Measured: four to eight are equal, one is slower."""
READS_PER_LANE = 4
"""Reads per connection; with fewer, opening the connection costs more than it saves."""


class Prefetcher:
    """Pending reads, each on a connection of its own."""

    def __init__(self, connect: Callable[[], HttpConnection]) -> None:
        self._connect = connect
        self._announced: deque[str] = deque()
        self._pending: dict[str, HttpConnection] = {}

    def announce(self, targets: Iterable[str]) -> None:
        """Announce targets that will be requested, in this order."""
        self.drop_pending()
        self._announced.extend(targets)
        for _ in range(min(LANES, len(self._announced) // READS_PER_LANE)):
            self._send_next(self._connect())

    def take_response(self, target: str) -> HttpResponse | None:
        """The response to a prefetched read; None if it was not sent."""
        if (connection := self._pending.pop(target, None)) is None:
            return None
        answer = connection.receive()
        self._send_next(connection)
        return answer

    def drop_pending(self) -> None:
        """Drop all pending reads: after a write their responses are out of date."""
        for connection in self._pending.values():
            connection.close()
        self._pending.clear()
        self._announced.clear()

    def _send_next(self, connection: HttpConnection) -> None:
        """Send the next read on a free connection; close it without a read or after an error."""
        if self._announced and connection.send_get(target := self._announced.popleft()):
            self._pending[target] = connection
        else:
            connection.close()
