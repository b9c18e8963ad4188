"""A collection that stands only while a snapshot is tried, and goes with every file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qdrantctl.flows.cluster.nodes import JobContext, collection_exists, list_node_snapshots
from qdrantctl.flows.snapshots.placeholder import placeholder_collection
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Call, collection_path

DELETE_TIMEOUT = 60.0
"""Seconds that a node may take to delete one file."""


@contextmanager
def temporary_collection(name: str, job: JobContext, nodes: tuple[str, ...]) -> Iterator[None]:
    """See that `name` is free, and is free again when the block ends. Raises ClusterError.

    One that a killed process has left is dropped first.
    """
    if collection_exists(job.client, name):
        drop_temporary_collection(name, job, nodes)
    try:
        yield
    except BaseException:
        with suppress(ClusterError):  # why it failed is what must be told
            drop_temporary_collection(name, job, nodes)
        raise
    drop_temporary_collection(name, job, nodes)


def drop_temporary_collection(name: str, job: JobContext, nodes: tuple[str, ...]) -> None:
    """Delete its snapshots, then itself. Raises ClusterError.

    A server deletes no snapshot of a collection that is gone. So where an upload has made none, an
    empty one stands for it until its file is deleted.
    """
    clients = [job.client.for_node(url, timeout=DELETE_TIMEOUT) for url in nodes or ("",)]
    try:
        if collection_exists(job.client, name):
            _delete_snapshots(name, clients)
            job.client.request(Call(method="DELETE", path=collection_path(name)))
        else:
            with suppress(ClusterError), placeholder_collection(job.client, clients, name):
                _delete_snapshots(name, clients)
    finally:
        for node in clients:
            node.close()


def _delete_snapshots(name: str, clients: list[NodeClient]) -> None:
    for node in clients:
        with suppress(ClusterError):
            for snapshot in list_node_snapshots(node, name):
                path = collection_path(name, "snapshots", snapshot)
                node.request(Call(method="DELETE", path=path, query={"wait": "true"}))
