"""Writes of points that return once every node that is up has carried them out."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call

CARRIED_OUT_WITHIN = 60.0
"""Seconds that a write of points may wait in the server's queue."""
RESEND_INTERVAL = 1.0
_UNDER_WAY = "wait_timeout"


def is_under_way(result: Json) -> bool:
    """Whether a server accepted a write and answered before it was carried out (since 1.17)."""
    return isinstance(result, Mapping) and result.get("status") == _UNDER_WAY


def writes_points(call: Call) -> bool:
    """Whether a request writes points."""
    parts = call.path.split("/")
    return call.writes and parts[1] == "collections" and parts[3:4] == ["points"]


def write_points(client: Client, call: Call) -> None:
    """Write points, and wait until the write is carried out. Raises ClusterError.

    Each replica carries out its writes in order, and the server responds when the slowest replica
    has. So this function sends a write that is under way again: the response to the second covers
    the first, on every node. A read of one node does not show that. `call` must have the same
    effect twice.
    """
    result = poll(
        lambda: client.request(call),
        lambda result: not is_under_way(result),
        timeout=CARRIED_OUT_WITHIN,
        interval=RESEND_INTERVAL,
    )
    if is_under_way(result):
        raise ClusterError(
            f"{client.server.url}: {call.method} {call.path} was accepted, and not carried out "
            f"after {CARRIED_OUT_WITHIN:g} s",
            hint="The server is busy with earlier writes of this collection: GET "
            f"{'/'.join(call.path.split('/')[:3])} shows them as update_queue. Try again later.",
            maybe_applied=True,
        )
