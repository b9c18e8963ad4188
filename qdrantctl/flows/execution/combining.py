"""One request in place of those that several threads would send at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from qdrantctl.model.client import Client
from qdrantctl.model.field_rule import Json
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call

T = TypeVar("T")
R = TypeVar("R")

_LISTS = ("/aliases", "/collections", "/telemetry")
"""Paths of answers about the whole cluster, from which each thread needs its part."""


SHORTEST_LINGER, LONGEST_LINGER = 0.0005, 0.01
"""Seconds that a round waits for others to join. Threads that ask at the same moment would else
take two rounds: the first of them one, and the others the next."""
LINGER_SHARE = 0.1
"""That time as a share of what the last round took."""


@dataclass(slots=True)
class _Round(Generic[T, R]):
    items: list[T] = field(default_factory=list)
    result: Future[R] = field(default_factory=Future)


class Combiner(Generic[T, R]):
    """Carries out what several threads ask for as one, in rounds.

    What is asked for during a round waits for the next one, which takes all of it. So a round
    begins after each of its items was asked for: it writes nothing too early, and reads nothing
    that is older than the question.
    """

    def __init__(self, carry_out: Callable[[Sequence[T]], R]) -> None:
        self._carry_out = carry_out
        self._joining = Lock()
        self._turn = Lock()
        self._next: _Round[T, R] = _Round()
        self._linger = SHORTEST_LINGER

    def submit(self, item: T) -> R:
        """The result of the round that carried the item out. Raises what that round raised."""
        with self._joining:
            joined = self._next
            joined.items.append(item)
        with self._turn:
            if not joined.result.done():
                self._run(joined)
        if error := joined.result.exception():
            raise copy(error)  # each thread may add to its own
        return joined.result.result()

    def _run(self, current: _Round[T, R]) -> None:
        time.sleep(self._linger)
        with self._joining:
            self._next = _Round()
        started = time.monotonic()
        try:
            current.result.set_result(self._carry_out(current.items))
        except BaseException as error:
            current.result.set_exception(error)
        taken = time.monotonic() - started
        self._linger = max(SHORTEST_LINGER, min(taken * LINGER_SHARE, LONGEST_LINGER))


class ListSharingClient:
    """A client for reads whose lists of the whole cluster are shared by threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._combiners = {path: Combiner(self._request_once) for path in _LISTS}

    @property
    def server(self) -> Server:
        """The server of the wrapped client."""
        return self._client.server

    def request(self, call: Call) -> Json:
        """The result of a request, perhaps one that answers other threads, too.

        It was sent after this call. Raises ClusterError.
        """
        if call.method != "GET" or call.path not in _LISTS:
            return self._client.request(call)
        return self._combiners[call.path].submit(call)

    def prefetch(self, calls: Iterable[Call]) -> None:
        """Announce GETs to the wrapped client."""
        self._client.prefetch(calls)

    def _request_once(self, calls: Sequence[Call]) -> Json:
        return self._client.request(calls[0])
