"""Restores a snapshot from the server's own disk, so that no byte passes through this process."""

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
"""The default snapshot folder, relative to the working folder of the server."""
WORKING_FOLDER = "/proc/self/cwd"
NAMES_FOLDER_BEFORE = Version(1, 17, 0)
"""Earlier servers name their snapshot folder when they do not find a snapshot of a shard."""
_FOLDER = re.compile(r'Snapshot "(.+)/[^/"]+/shards/\d+/[^/"]+" not found')


def recover_from_own_disk(
    node: NodeClient, collection: str, file: NodeSnapshotFile, name: str, priority: str
) -> bool:
    """Have a node create `name` from its own snapshot of `collection`. Raises ClusterError.

    False if the node does not find this file or does not read its disk: then it has created
    nothing, and the file can be uploaded. It compares the checksum before it creates anything.
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
    """The snapshot folder as a path that the server can open; the default if it names none."""
    folder = ""
    if node.server.version < NAMES_FOLDER_BEFORE:
        folder = _named_folder(node, collection) or _named_folder(node, ledger.LEDGER_COLLECTION)
    folder = folder or DEFAULT_FOLDER
    return folder if folder.startswith("/") else f"{WORKING_FOLDER}/{folder.removeprefix('./')}"


def _named_folder(node: NodeClient, collection: str) -> str:
    """The folder that the server names, or an empty text. No file has the name of a new UUID."""
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
