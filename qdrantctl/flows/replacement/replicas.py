"""Wait until the replicas of a collection that come back hold what the others hold."""

from __future__ import annotations

from functools import partial

from qdrantctl.flows.cluster.nodes import (
    ACTIVE,
    JobContext,
    ask_nodes,
    list_replicas,
    read_topology,
)
from qdrantctl.model.client import Client
from qdrantctl.model.polling import poll

RECOVERED_WITHIN = 120.0
"""Seconds to wait for replicas that are recovering; one whose node is down is not waited for."""
_DEAD = "Dead"


def wait_for_replicas(job: JobContext, collection: str) -> None:
    """Wait until each replica is active, or dead, as every node sees it. Raises ClusterError.

    A node that comes back answers reads from its own replica until it learns that this one lacks
    writes.
    """
    if job.client.server.peers == 1:
        return
    poll(
        lambda: _are_settled(job, collection),
        timeout=RECOVERED_WITHIN,
        interval=0.5,
        is_cancelled=job.is_cancelled,
    )


def _are_settled(job: JobContext, collection: str) -> bool:
    look = partial(_view_of, collection=collection)
    views = list(ask_nodes(job, look, RECOVERED_WITHIN).values())
    return all(view == views[0] for view in views) and all(
        state in (ACTIVE, _DEAD) for view in views for state in view.values()
    )


def _view_of(node: Client, collection: str) -> dict[tuple[int, str], str]:
    """The state of each replica, by shard and node, as one node sees it. Raises ClusterError."""
    replicas = list_replicas(read_topology(node, collection))
    return {(shard, peer): state for shard, peer, state in replicas}
