"""What all connections of a process wait for after the server, or a proxy, limited their rate."""

from __future__ import annotations

import time
from threading import Lock

LONGEST_HOLD = 30.0
"""Seconds of `Retry-After` that are waited for; a request that is told a longer time fails."""
REPEATED_WITHIN = 60.0
"""Seconds for which a write that is refused for its rate is repeated."""
_FIRST_GAP = 0.05
_WIDEST_GAP = 1.0
_NARROWING = 0.8
_NO_GAP = 0.01
"""Seconds between two requests below which they need no distance."""


class Throttle:
    """Spaces the requests of all threads, once one of them was answered 429.

    The limit holds for all of them together, so all of them pause. Then they go one after the
    other, at a distance that doubles with each refusal and shrinks with each other answer.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._next = 0.0
        """When the next request may be sent, on a monotonic clock."""
        self._gap = 0.0

    def wait(self) -> None:
        """Wait for the turn of this request."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._gap
        if turn > now:
            time.sleep(turn - now)

    def hold(self, seconds: float) -> bool:
        """Let nothing be sent for this time; False if it is too long to wait for."""
        if not 0 < seconds <= LONGEST_HOLD:
            return False
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
            self._gap = min(max(self._gap * 2, _FIRST_GAP), _WIDEST_GAP)
        return True

    def relax(self) -> None:
        """A request was not refused: those that follow may be closer."""
        if self._gap:
            with self._lock:
                self._gap *= _NARROWING
                if self._gap < _NO_GAP:
                    self._gap = 0.0
