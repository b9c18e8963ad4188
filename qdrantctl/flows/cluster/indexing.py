"""Wait for the server to index a collection: without limit, or for a limited time."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path

INDEX_TIMEOUT = 60.0
"""Seconds that a restore waits: its data is complete without the index, and with
`max_optimization_threads: 0` indexing never ends."""
POLL = 0.2
YELLOW = "yellow"

StatusListener = Callable[[Address, str, int, int], None]
"""Receives address, status, number of indexed vectors and number of points."""


def wait_until_green(
    client: Client,
    addresses: list[Address],
    on_status: StatusListener,
    is_cancelled: Callable[[], bool],
) -> dict[Address, str]:
    """Wait until indexing has ended. Returns the last status of collections that are not green.

    A grey collection waits for its next write, so waiting for it would never end.
    """
    statuses: dict[Address, str] = {}
    for address in addresses:
        if is_cancelled():
            break
        statuses[address] = poll(
            partial(_read_status, client, address, on_status),
            _is_settled,
            timeout=math.inf,
            interval=POLL,
            is_cancelled=is_cancelled,
        )
    return {address: status for address, status in statuses.items() if status != "green"}


def wait_for_index(job: JobContext, address: Address) -> str:
    """Wait a limited time until indexing has ended; returns the last status. Raises ClusterError.

    A cancellation only ends the wait: few steps remain, such as restoring aliases.
    """
    task = f"{address}: {YELLOW}, indexing"

    def on_status(_: Address, status: str, indexed: int, points: int) -> None:
        if status == YELLOW:
            job.progress.show_amount(task, indexed, points, "points")

    try:
        return poll(
            partial(_read_status, job.client, address, on_status),
            _is_settled,
            timeout=INDEX_TIMEOUT,
            interval=POLL,
            is_cancelled=job.is_cancelled,
        )
    finally:
        job.progress.end_task(task)


def _is_settled(status: str) -> bool:
    return status != YELLOW


def _read_status(client: Client, address: Address, on_status: StatusListener) -> str:
    info = client.request(Call(method="GET", path=collection_path(address.name)))
    status = str(info["status"])
    on_status(address, status, info.get("indexed_vectors_count") or 0, info["points_count"] or 0)
    return status
