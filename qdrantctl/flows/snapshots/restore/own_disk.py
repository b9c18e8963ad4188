"""A collection made of a snapshot on the server's own disk: no byte of it passes through here."""

from __future__ import annotations

import re
from urllib.parse import quote
from uuid import uuid4

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.transfer import as_rejection
from qdrantctl.flows.cluster.nodes import read_topology
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.server import Version
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile
from qdrantctl.model.step import Call, collection_path

DEFAULT_FOLDER = "snapshots"
"""Where a server has its snapshots unless it is configured otherwise, below its working folder."""
WORKING_FOLDER = "/proc/self/cwd"
NAMES_FOLDER_BEFORE = Version(1, 17, 0)
"""Before, a server names its folder when it is asked for a file of a shard that is not there."""
_FOLDER = re.compile(r'Snapshot "(.+)/[^/"]+/shards/\d+/[^/"]+" not found')


def recover_from_own_disk(
    node: NodeClient, collection: str, file: NodeSnapshotFile, name: str, priority: str
) -> bool:
    """Have a server make `name` of its own snapshot of `collection`. Raises ClusterError.

    False where it does not find that very file, or takes none from its disk: then it has made
    nothing, and the file can be sent. The server compares the checksum before it makes anything.
    """
    if not file.checksum:
        return False
    path = f"{_snapshots_folder(node, collection)}/{collection}/{file.name}"
    body = {
        "location": f"file://{quote(path)}",
        "priority": priority,
        "checksum": file.checksum,
    }
    path = collection_path(name, "snapshots", "recover")
    try:
        node.request(Call(method="PUT", path=path, query={"wait": "true"}, body=body))
    except ClusterError as error:
        if 400 <= error.status < 500:
            return False
        raise as_rejection(error) from None
    return True


def _snapshots_folder(node: NodeClient, collection: str) -> str:
    """The server's folder of snapshots as the server itself finds it, or where it is by default."""
    folder = ""
    if node.server.version < NAMES_FOLDER_BEFORE:
        folder = _named_folder(node, collection) or _named_folder(node, ledger.LEDGER_COLLECTION)
    folder = folder or DEFAULT_FOLDER
    return folder if folder.startswith("/") else f"{WORKING_FOLDER}/{folder.removeprefix('./')}"


def _named_folder(node: NodeClient, collection: str) -> str:
    """What the server names it; empty where it does not. A file of a new UUID is never there."""
    try:
        shards = read_topology(node, collection)["local_shards"]
        if shards:
            shard = str(shards[0]["shard_id"])
            path = collection_path(collection, "shards", shard, "snapshots", "recover")
            body = {"location": uuid4().hex, "checksum": "0" * 64}
            node.request(Call(method="PUT", path=path, body=body))
    except ClusterError as error:
        match = _FOLDER.search(error.why) if error.not_found else None
        return match[1] if match else ""
    return ""
