"""Read a collection while each of its replicas holds what the others hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from qdrantctl.flows.cluster.nodes import (
    ACTIVE,
    JobContext,
    ask_nodes,
    list_replicas,
    read_topology,
)
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.polling import poll

RECOVERED_WITHIN = 120.0
"""Seconds to wait for replicas that are recovering; one whose node is down is not waited for."""
_DEAD = "Dead"
AGREED_WITHIN = 10.0
"""Seconds until every node knows which replicas are active."""
MOST_READINGS = 5
"""How often a pass is repeated because a replica fell behind meanwhile."""

Outcome = TypeVar("Outcome")
View = Mapping[tuple[int, str], str]
"""The state of each replica, by shard and node, as one node sees it."""


def read_while_active(
    job: JobContext, collections: Sequence[str], read: Callable[[], Outcome]
) -> Outcome:
    """What a pass over collections finds while their active replicas stay active.

    A replica that missed a write answers reads until its node learns that. So what is read then may
    be older than what the server has acknowledged, and the pass is repeated. Limits that begin to
    refuse writes have that effect, too: 1.16.3 takes a replica for dead that refused what another
    one accepted. Raises ClusterError if it happens again and again, and what `read` raises.
    """
    if job.client.server.peers == 1:
        return read()
    for _ in range(MOST_READINGS):
        before = poll(
            partial(_read_active, job, collections),
            _are_equal,
            timeout=AGREED_WITHIN,
            interval=0.2,
            is_cancelled=job.is_cancelled,
        )
        if not before or not _are_equal(before):
            continue
        result = read()
        if all(before[0] <= active for active in _read_active(job, collections)):
            return result
    raise ClusterError(
        f"{job.client.server.url}: replicas of {' or '.join(collections)} fall behind "
        "again and again",
        why="What is read of them may be older than what the server has acknowledged.",
        hint="Check whether every node is up and keeps pace, and run the command again.",
    )


def wait_for_replicas(job: JobContext, collection: str) -> None:
    """Wait until each replica is active, or dead, as every node sees it. Raises ClusterError.

    A node that comes back answers reads from its own replica until it learns that this one lacks
    writes.
    """
    if job.client.server.peers == 1:
        return
    poll(
        lambda: _are_settled(_read_views(job, collection)),
        timeout=RECOVERED_WITHIN,
        interval=0.5,
        is_cancelled=job.is_cancelled,
    )


def _read_active(
    job: JobContext, collections: Sequence[str]
) -> list[frozenset[tuple[str, int, str]]]:
    """The active replicas of collections, as each node sees them."""

    def look(node: Client) -> frozenset[tuple[str, int, str]]:
        return frozenset(
            (name, *replica)
            for name in collections
            for replica, state in _view_of(node, name).items()
            if state == ACTIVE
        )

    return list(ask_nodes(job, look, RECOVERED_WITHIN).values())


def _are_settled(views: Sequence[View]) -> bool:
    return _are_equal(views) and all(
        state in (ACTIVE, _DEAD) for view in views for state in view.values()
    )


def _are_equal(views: Sequence[object]) -> bool:
    return all(view == views[0] for view in views)


def _read_views(job: JobContext, collection: str) -> list[View]:
    look = partial(_view_of, collection=collection)
    return list(ask_nodes(job, look, RECOVERED_WITHIN).values())


def _view_of(node: Client, collection: str) -> View:
    replicas = list_replicas(read_topology(node, collection))
    return {(shard, peer): state for shard, peer, state in replicas}
