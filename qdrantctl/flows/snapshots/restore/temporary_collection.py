"""A collection that exists only while a snapshot is tested. Its files are deleted with it."""

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
    """Ensure that `name` is unused before and after the block. Raises ClusterError.

    A collection that a killed process left behind is dropped first.
    """
    if collection_exists(job.client, name):
        drop_temporary_collection(name, job, nodes)
    try:
        yield
    except BaseException:
        with suppress(ClusterError):  # the first error is the cause
            drop_temporary_collection(name, job, nodes)
        raise
    drop_temporary_collection(name, job, nodes)


def drop_temporary_collection(name: str, job: JobContext, nodes: tuple[str, ...]) -> None:
    """Delete the snapshots of a collection, then the collection. Raises ClusterError.

    A server deletes no snapshot of a deleted collection. So if a failed upload created none, a
    placeholder exists until its file is deleted.
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
