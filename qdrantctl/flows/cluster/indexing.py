"""Wait for the server to index a collection, as long as that can come and time remains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.collection_status import GREEN, GREY, YELLOW, explain_grey
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.polling import poll
from qdrantctl.model.server import Version
from qdrantctl.model.step import Call, collection_path

INDEX_TIMEOUT = 60.0
"""Seconds that a restore waits unless another time is given: its data is complete without the
index."""
WAIT_TIMEOUT = 3600.0
"""Seconds that `apply --wait` waits unless another time is given."""
POLL = 0.2
PATCH_LAG = 1.0
"""Seconds until a collection shows that a change has begun: since 1.18.1 the server answers a PATCH
before its optimizers know of it, and reports green or grey meanwhile."""
_ANSWERS_EARLY = Version(1, 18, 1)


@dataclass(frozen=True, slots=True)
class IndexState:
    """How far a collection is indexed."""

    address: Address
    status: str
    """The server's own word: green, yellow, grey or red."""
    indexed: int
    points: int
    obstacle: str = ""
    """Why the rest is never indexed by itself; empty if it is only a matter of time."""

    @property
    def is_green(self) -> bool:
        """Whether the server has nothing left to do."""
        return self.status == GREEN

    @property
    def is_final(self) -> bool:
        """Whether waiting changes nothing."""
        return self.status != YELLOW or bool(self.obstacle)

    def describe(self, timeout: float) -> str:
        """The state, and why a wait of at most `timeout` seconds has ended."""
        text = f"{self.address} is {self.status}" + ("" if self.is_green else ", not green")
        if self.obstacle:
            return f"{text}: {self.obstacle}"
        if self.is_final:
            return f"{text}."
        counts = f"{self.indexed:,} of {self.points:,} points are indexed"
        return f"{text}: {counts} after {timeout:g} s. --wait-timeout SECONDS waits longer."


StatusListener = Callable[[IndexState], None]


def wait_until_indexed(
    client: Client,
    addresses: list[Address],
    names: ObjectNames,
    timeout: float,
    on_status: StatusListener,
    is_cancelled: Callable[[], bool],
) -> list[IndexState]:
    """Wait until indexing has ended, cannot continue, or all `timeout` seconds have passed.

    Returns the last state of each collection that is not green, or never indexed as it is.
    """
    begun = time.monotonic()
    states = []
    for address in addresses:
        if is_cancelled():
            break
        look = partial(_read_state, client, address, names.object_name(address), on_status)
        state = _poll_until_final(client, look, begun, timeout, is_cancelled)
        if state.obstacle or not state.is_green:
            states.append(state)
    return states


def wait_for_index(job: JobContext, address: Address, name: str) -> IndexState:
    """Wait a limited time until indexing has ended; returns the last state. Raises ClusterError.

    `name` is the one on the cluster.

    A cancellation only ends the wait: few steps remain, such as restoring aliases.
    """
    task = f"{address}: {YELLOW}, indexing"

    def on_status(state: IndexState) -> None:
        if state.status == YELLOW:
            job.progress.show_amount(task, state.indexed, state.points, "points")

    look = partial(_read_state, job.client, address, name, on_status)
    try:
        begun = time.monotonic()
        return _poll_until_final(job.client, look, begun, index_timeout(job), job.is_cancelled)
    finally:
        job.progress.end_task(task)


def index_timeout(job: JobContext) -> float:
    """Seconds that a restore waits for the index."""
    return INDEX_TIMEOUT if job.wait_timeout is None else job.wait_timeout


def _poll_until_final(
    client: Client,
    look: Callable[[], IndexState],
    begun: float,
    timeout: float,
    is_cancelled: Callable[[], bool],
) -> IndexState:
    """The last state. What a server shows before a change has begun there is not believed."""
    settled = begun + (PATCH_LAG if client.server.version >= _ANSWERS_EARLY else 0.0)
    deadline = max(begun + timeout, settled)

    def look_again() -> tuple[float, IndexState]:
        return time.monotonic(), look()

    _, state = poll(
        look_again,
        lambda seen: seen[0] >= settled and seen[1].is_final,
        timeout=max(0.0, deadline - time.monotonic()),
        interval=POLL,
        is_cancelled=is_cancelled,
    )
    return state


def _read_state(
    client: Client, address: Address, name: str, on_status: StatusListener
) -> IndexState:
    info = client.request(Call(method="GET", path=collection_path(name)))
    points = info.get("points_count") or 0
    state = IndexState(
        address,
        str(info["status"]),
        # Each vector of a point is counted, and twice where an old segment is loaded, too.
        min(info.get("indexed_vectors_count") or 0, points),
        points,
        _find_obstacle(name, info),
    )
    on_status(state)
    return state


def _find_obstacle(name: str, info: Mapping[str, Any]) -> str:
    """Why the server does not index the rest by itself; empty if it does."""
    optimizers = (info.get("config") or {}).get("optimizer_config") or {}
    status, indexed = str(info["status"]), info.get("indexed_vectors_count") or 0
    if status == YELLOW and optimizers.get("max_optimization_threads") == 0:
        return (
            "max_optimization_threads is 0, so the server optimizes and indexes nothing. Set "
            "max_optimization_threads: auto."
        )
    if status == GREY:
        return explain_grey(name)
    if status == "red":
        error = info.get("optimizer_status")
        error = error.get("error") if isinstance(error, Mapping) else ""
        return f"the server's optimizer failed. {error}".strip()
    not_indexed = (info.get("points_count") or 0) > indexed
    if status == GREEN and optimizers.get("indexing_threshold") == 0 and not_indexed:
        return (
            "indexing_threshold is 0, so the server builds no graph, and searches scan every "
            "point that has none."
        )
    return ""
