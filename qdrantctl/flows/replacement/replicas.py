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
MOST_READINGS = 5
"""How often a pass is repeated because a replica fell behind, or came back, meanwhile."""

Outcome = TypeVar("Outcome")
View = Mapping[tuple[int, str], str]
"""The state of each replica, by shard and node, as one node sees it."""


def read_while_settled(job: JobContext, collection: str, read: Callable[[], Outcome]) -> Outcome:
    """What a pass over a collection finds while no replica changes its state; else it is repeated.

    A replica that missed a write answers reads until its node learns that. So what is read then may
    be older than what the server has acknowledged. Raises ClusterError if a replica falls behind,
    or comes back, again and again; and what `read` raises.
    """
    if job.client.server.peers == 1:
        return read()
    for _ in range(MOST_READINGS):
        wait_for_replicas(job, collection)
        before = _read_views(job, collection)
        result = read()
        if _are_settled(before) and _read_views(job, collection) == before:
            return result
    raise ClusterError(
        f"{job.client.server.url}: replicas of {collection} keep falling behind and coming back",
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


def _read_views(job: JobContext, collection: str) -> list[View]:
    look = partial(_view_of, collection=collection)
    return list(ask_nodes(job, look, RECOVERED_WITHIN).values())


def _are_settled(views: Sequence[View]) -> bool:
    return all(view == views[0] for view in views) and all(
        state in (ACTIVE, _DEAD) for view in views for state in view.values()
    )


def _view_of(node: Client, collection: str) -> View:
    replicas = list_replicas(read_topology(node, collection))
    return {(shard, peer): state for shard, peer, state in replicas}
