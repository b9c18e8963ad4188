"""Each node of a cluster through a door of its own: snapshots are a matter of single nodes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from qdrantctl.model.client import Client, NodeClient, get_or_none
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.progress import NO_PROGRESS, TaskProgress, count_bytes, show_transfers
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile
from qdrantctl.model.step import Call, collection_path

SLOW = 3600.0
"""Seconds that one request of a snapshot may take; each node is asked to wait for its disk."""
ACTIVE = "Active"


@dataclass(frozen=True, slots=True)
class JobContext:
    """What work on snapshots needs: a door, whom to tell, and whether to stop."""

    client: NodeClient
    report_progress: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    nodes: tuple[str, ...] = ()
    """Each node's own address, as the environment states them."""
    progress: TaskProgress = NO_PROGRESS
    """Shows how far transfers and waits are."""

    def raise_if_cancelled(self) -> None:
        """Raises QdrantctlError if the caller cancelled."""
        if self.is_cancelled():
            raise QdrantctlError("interrupted")

    def show_files(
        self, collection: str, files: Iterable[NodeSnapshotFile]
    ) -> AbstractContextManager[None]:
        """Show how far each node's file of a snapshot is transferred, until the block ends."""
        totals = {_task_name(collection, file): file.size for file in files}
        return show_transfers(totals, self.progress)

    def count_chunks(
        self, chunks: Iterable[bytes], collection: str, file: NodeSnapshotFile
    ) -> Iterator[bytes]:
        """The same chunks of one such file; how many bytes have come is shown.

        Raises QdrantctlError between two when somebody asked to stop.
        """
        for chunk in count_bytes(chunks, _task_name(collection, file), file.size, self.progress):
            self.raise_if_cancelled()
            yield chunk


def _task_name(collection: str, file: NodeSnapshotFile) -> str:
    return f"collection/{collection}, node {file.peer}"


@contextmanager
def connect_nodes(
    client: NodeClient, urls: tuple[str, ...], peers: frozenset[str], what: str
) -> Iterator[Mapping[str, NodeClient]]:
    """A door to each of the nodes `peers`. Raises ClusterError naming those not reached."""
    found: dict[str, NodeClient] = {}
    opened: list[NodeClient] = []
    failures: list[str] = []
    try:
        for url in urls or ("",):
            node = client.for_node(url, timeout=SLOW)
            opened.append(node)
            try:
                found[_identify_node(node, peers, alone=not urls)] = node
            except ClusterError as error:
                failures.append(". ".join(filter(None, (error.what, error.why))))
        if missing := sorted(peers - found.keys()):
            raise ClusterError(
                f"{what}: not every node is reached that holds a part of it",
                why=". ".join([f"No address leads to {', '.join(missing)}", *failures]),
                hint="State every node's own address in the environment, under nodes, and see "
                "that each is up.",
            )
        yield found
    finally:
        for node in opened:
            with suppress(ClusterError):
                node.close()


def _identify_node(node: NodeClient, peers: frozenset[str], *, alone: bool) -> str:
    """Which node answers there. A server that is the only one needs no name."""
    if alone and len(peers) == 1 and node.server.peers == 1:
        return next(iter(peers))
    return str(node.request(Call(method="GET", path="/cluster")).get("peer_id", ""))


def current_members(client: Client, peers: Iterable[str]) -> frozenset[str]:
    """Those of the nodes that the cluster still has; others are gone for good. Raises ClusterError.

    A server that is the only one needs no name.
    """
    result = frozenset(peers)
    if client.server.peers == 1 and len(result) == 1:
        return result
    told = client.request(Call(method="GET", path="/cluster"))
    return result & (told.get("peers") or {}).keys()


def read_topology(client: Client, collection: str) -> Mapping[str, Any]:
    """Where the shards of a collection are, as this node knows it. Raises ClusterError."""
    result: Mapping[str, Any] = client.request(
        Call(method="GET", path=collection_path(collection, "cluster"))
    )
    return result


def list_replicas(told: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Shard, node and state of every replica."""
    for shard in told["local_shards"]:
        yield shard["shard_id"], str(told["peer_id"]), shard["state"]
    for shard in told["remote_shards"]:
        yield shard["shard_id"], str(shard["peer_id"]), shard["state"]


def list_shard_keys(told: Mapping[str, Any]) -> list[str | int]:
    """Every shard key once."""
    shards = (*told["local_shards"], *told["remote_shards"])
    return list(dict.fromkeys(shard["shard_key"] for shard in shards if "shard_key" in shard))


def count_shard_points(node: Client, collection: str) -> dict[int, int]:
    """Points of each shard that is active on this very node. Raises ClusterError."""
    local = read_topology(node, collection)["local_shards"]
    return {shard["shard_id"]: shard["points_count"] for shard in local if shard["state"] == ACTIVE}


def list_node_snapshots(node: Client, collection: str) -> Mapping[str, Mapping[str, Any]]:
    """The snapshots that this node lists, by name. Raises ClusterError."""
    listed = node.request(Call(method="GET", path=collection_path(collection, "snapshots")))
    return {entry["name"]: entry for entry in listed}


def collection_exists(client: Client, collection: str) -> bool:
    """Whether this node knows a collection. Raises ClusterError."""
    call = Call(method="GET", path=collection_path(collection))
    return get_or_none(client, call) is not None


def download_snapshot(node: NodeClient, collection: str, name: str) -> Generator[bytes]:
    """The bytes of a snapshot, also of a collection that is gone. Raises ClusterError.

    What such a one has left is not listed, but is there among the snapshots of the whole storage;
    from 1.19 on it is not.
    """
    try:
        path = collection_path(collection, "snapshots", name)
        yield from node.download(Call(method="GET", path=path))
        return
    except ClusterError as error:
        if not error.not_found:
            raise
    path = f"/snapshots/{quote(f'{collection}/{name}', safe='')}"
    yield from node.download(Call(method="GET", path=path))
