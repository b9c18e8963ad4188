"""One client for each node of a cluster: each node takes and serves its own snapshots."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, TypeVar

from qdrantctl.model.client import Client, NodeClient, get_or_none
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.progress import NO_PROGRESS, TaskProgress, count_bytes, show_transfers
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile
from qdrantctl.model.step import Call, collection_path

T = TypeVar("T")
SNAPSHOT_TIMEOUT = 3600.0
"""Seconds that one snapshot request may take: the node answers once its disk has the file."""
ACTIVE = "Active"


@frozen
class JobContext:
    """What jobs on snapshots share: the client, progress reporting and cancellation."""

    client: NodeClient
    report_progress: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    nodes: tuple[str, ...] = ()
    """The URL of each node, from the environment."""
    progress: TaskProgress = NO_PROGRESS
    """Shows the progress of transfers and waits."""
    wait_timeout: float | None = None
    """Seconds to wait for what the server builds in the background; None for the defaults."""

    def raise_if_cancelled(self) -> None:
        """Raises QdrantctlError if the caller cancelled."""
        if self.is_cancelled():
            raise QdrantctlError("interrupted")

    def show_files(
        self, collection: str, files: Iterable[NodeSnapshotFile]
    ) -> AbstractContextManager[None]:
        """Show the transfer progress of each node's snapshot file until the block ends."""
        totals = {_task_name(collection, file): file.size for file in files}
        return show_transfers(totals, self.progress)

    def count_chunks(
        self, chunks: Iterable[bytes], collection: str, file: NodeSnapshotFile
    ) -> Iterator[bytes]:
        """The chunks of a node's snapshot file unchanged; shows the number of bytes received.

        Raises QdrantctlError between two chunks if the caller cancelled.
        """
        for chunk in count_bytes(chunks, _task_name(collection, file), file.size, self.progress):
            self.raise_if_cancelled()
            yield chunk


def _task_name(collection: str, file: NodeSnapshotFile) -> str:
    return f"collection/{collection}, node {file.peer}"


@contextmanager
def connect_nodes(
    client: NodeClient, urls: tuple[str, ...], peers: frozenset[str], purpose: str
) -> Iterator[Mapping[str, NodeClient]]:
    """A client for each of the nodes `peers`, by peer id. Raises ClusterError if one is missing.

    The error begins with `purpose` and names the nodes that were not reached.
    """
    clients: dict[str, NodeClient] = {}
    opened: list[NodeClient] = []
    failures: list[str] = []
    try:
        for url in urls or ("",):
            node = client.for_node(url, timeout=SNAPSHOT_TIMEOUT)
            opened.append(node)
            try:
                clients[_identify_node(node, peers, is_only_server=not urls)] = node
            except ClusterError as error:
                failures.append(". ".join(filter(None, (error.what, error.why))))
        if missing := sorted(peers - clients.keys()):
            raise ClusterError(
                f"{purpose}: cannot reach every node that holds its shards",
                why=". ".join([f"No URL leads to peer {', '.join(missing)}", *failures]),
                hint="Set the URL of every node in the environment, under nodes, and check that "
                "each node is up.",
            )
        yield clients
    finally:
        for node in opened:
            with suppress(ClusterError):
                node.close()


def ask_nodes(job: JobContext, ask: Callable[[NodeClient], T], timeout: float) -> dict[str, T]:
    """What each named node says, by its URL; a node that is down is left out.

    Without names the client of the cluster is asked, under the empty URL. `timeout` is in seconds.
    Raises ClusterError if that one is down.
    """
    if not job.nodes or job.client.server.peers == 1:
        return {"": ask(job.client)}
    answers: dict[str, T] = {}
    for url in job.nodes:
        with closing(job.client.for_node(url, timeout=timeout)) as node, suppress(ClusterError):
            answers[url] = ask(node)
    return answers


def _identify_node(node: NodeClient, peers: frozenset[str], *, is_only_server: bool) -> str:
    """The peer id of a node. The only server of a cluster needs no request."""
    if is_only_server and len(peers) == 1 and node.server.peers == 1:
        return next(iter(peers))
    return str(node.request(Call(method="GET", path="/cluster")).get("peer_id", ""))


def current_members(client: Client, peers: Iterable[str]) -> frozenset[str]:
    """The nodes that are still cluster members; the others were removed. Raises ClusterError.

    The only server of a cluster needs no request.
    """
    result = frozenset(peers)
    if client.server.peers == 1 and len(result) == 1:
        return result
    response = client.request(Call(method="GET", path="/cluster"))
    return result & (response.get("peers") or {}).keys()


def read_topology(client: Client, collection: str) -> Mapping[str, Any]:
    """Placement of a collection's shards as this node reports it. Raises ClusterError."""
    result: Mapping[str, Any] = client.request(
        Call(method="GET", path=collection_path(collection, "cluster"))
    )
    return result


def list_replicas(topology: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Shard, node and state of every replica."""
    for shard in topology["local_shards"]:
        yield shard["shard_id"], str(topology["peer_id"]), shard["state"]
    for shard in topology["remote_shards"]:
        yield shard["shard_id"], str(shard["peer_id"]), shard["state"]


def list_shard_keys(topology: Mapping[str, Any]) -> list[str | int]:
    """Every shard key of a collection once, as `read_topology` lists them."""
    shards = (*topology["local_shards"], *topology["remote_shards"])
    return list(dict.fromkeys(shard["shard_key"] for shard in shards if "shard_key" in shard))


def count_shard_points(node: Client, collection: str) -> dict[int, int]:
    """Number of points in each active shard of this node, by shard id. Raises ClusterError."""
    local = read_topology(node, collection)["local_shards"]
    return {shard["shard_id"]: shard["points_count"] for shard in local if shard["state"] == ACTIVE}


def list_node_snapshots(node: Client, collection: str) -> Mapping[str, Mapping[str, Any]]:
    """The snapshots that this node lists, by name. Raises ClusterError."""
    listed = node.request(Call(method="GET", path=collection_path(collection, "snapshots")))
    return {entry["name"]: entry for entry in listed}


def collection_exists(client: Client, collection: str) -> bool:
    """Whether a collection exists on this node. Raises ClusterError."""
    call = Call(method="GET", path=collection_path(collection))
    return get_or_none(client, call) is not None


def download_snapshot(node: NodeClient, collection: str, name: str) -> Generator[bytes]:
    """The bytes of a snapshot of a collection that exists. Raises ClusterError."""
    path = collection_path(collection, "snapshots", name)
    yield from node.download(Call(method="GET", path=path))
