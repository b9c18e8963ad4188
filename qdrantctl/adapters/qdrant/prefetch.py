"""Reads that are sent before their responses are needed: the server works meanwhile.

Only ever a hint. A read that failed, or was not announced, is sent like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from qdrantctl.adapters.qdrant.http import HttpConnection, HttpResponse

LANES = 6
"""Connections with one read under way each. Measured: four to eight are alike, one is slower."""
WORTH = 4
"""Reads for each lane; below that, opening a connection costs more than it saves."""


class Prefetcher:
    """Reads under way, each on a connection of its own."""

    def __init__(self, wire: Callable[[], HttpConnection]) -> None:
        self._wire = wire
        self._coming: deque[str] = deque()
        self._under_way: dict[str, HttpConnection] = {}

    def announce(self, targets: Iterable[str]) -> None:
        """Targets that will be asked for, in this order."""
        self.drop_pending()
        self._coming.extend(targets)
        for _ in range(min(LANES, len(self._coming) // WORTH)):
            self._send_next(self._wire())

    def take_response(self, target: str) -> HttpResponse | None:
        """The answer to a read that was sent ahead; None where it is yet to be asked for."""
        if (wire := self._under_way.pop(target, None)) is None:
            return None
        answer = wire.receive()
        self._send_next(wire)
        return answer

    def drop_pending(self) -> None:
        """Drop what is under way: after a write no earlier answer is of use."""
        for wire in self._under_way.values():
            wire.close()
        self._under_way.clear()
        self._coming.clear()

    def _send_next(self, wire: HttpConnection) -> None:
        """Send the next read on a free lane; a lane without work or with trouble is closed."""
        if self._coming and wire.send_get(target := self._coming.popleft()):
            self._under_way[target] = wire
        else:
            wire.close()
