"""Waiting for the server to index what it was given: to the end, or only for a while."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path

AWHILE = 60.0
"""Seconds that a restore waits: it is whole without, and where `max_optimization_threads` is 0 the
server never ends."""
POLL = 0.2
YELLOW = "yellow"

StatusListener = Callable[[Address, str, int, int], None]
"""Gets address, status, indexed vectors and points."""


def wait_until_green(
    client: Client, addresses: list[Address], told: StatusListener, stop: Callable[[], bool]
) -> dict[Address, str]:
    """Wait until indexing has ended. The last status of those that were seen and are not green.

    A grey collection waits for its next write, so waiting for it would never end.
    """
    last: dict[Address, str] = {}
    for address in addresses:
        if stop():
            break
        last[address] = poll(
            partial(_read_status, client, address, told),
            _is_settled,
            timeout=math.inf,
            interval=POLL,
            is_cancelled=stop,
        )
    return {address: status for address, status in last.items() if status != "green"}


def wait_for_index(job: JobContext, address: Address) -> str:
    """Wait until indexing has ended, but not for long: the last status. Raises ClusterError.

    Who asks to stop only ends the wait: little is left to be done, such as putting aliases back.
    """
    task = f"{address}: {YELLOW}, indexing"

    def told(_: Address, status: str, indexed: int, points: int) -> None:
        if status == YELLOW:
            job.progress.show_amount(task, indexed, points, "points")

    try:
        return poll(
            partial(_read_status, job.client, address, told),
            _is_settled,
            timeout=AWHILE,
            interval=POLL,
            is_cancelled=job.is_cancelled,
        )
    finally:
        job.progress.end_task(task)


def _is_settled(status: str) -> bool:
    return status != YELLOW


def _read_status(client: Client, address: Address, told: StatusListener) -> str:
    info = client.request(Call(method="GET", path=collection_path(address.name)))
    status = str(info["status"])
    told(address, status, info.get("indexed_vectors_count") or 0, info["points_count"] or 0)
    return status
