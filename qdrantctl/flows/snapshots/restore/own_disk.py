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
READS_ONE_FOLDER = Version(1, 17, 0)
"""Earlier servers name their snapshot folder when they do not find a snapshot of a shard; newer
ones (1.17.1) when they refuse a file of another folder."""
_FOLDER = re.compile(r'Snapshot "(.+)/[^/"]+/shards/\d+/[^/"]+" not found')
_ONLY_FOLDER = re.compile(r'must be inside the snapshots directory "(.+)"')
_OTHER_FILE = "file:///etc/hosts"
"""A file that servers have, and that is in no snapshot folder."""
_NO_CHECKSUM = "0" * 64
"""That of no file: a server that compares it creates nothing."""


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
    if node.server.version < READS_ONE_FOLDER:
        folder = _named_folder(node, collection) or _named_folder(node, ledger.LEDGER_COLLECTION)
    else:
        folder = _only_folder(node)
    folder = folder or DEFAULT_FOLDER
    return folder if folder.startswith("/") else f"{WORKING_FOLDER}/{folder.removeprefix('./')}"


def _named_folder(node: NodeClient, collection: str) -> str:
    """The folder that the server names, or an empty text. No file has the name of a new UUID."""
    try:
        shards = read_topology(node, collection)["local_shards"]
        if shards:
            shard = str(shards[0]["shard_id"])
            path = collection_path(collection, "shards", shard, "snapshots", "recover")
            body = {"location": uuid4().hex, "checksum": _NO_CHECKSUM}
            node.request(Call(method="PUT", path=path, body=body))
    except ClusterError as error:
        match = _FOLDER.search(error.why) if error.not_found else None
        return match[1] if match else ""
    return ""


def _only_folder(node: NodeClient) -> str:
    """The folder that the server names when it refuses a file of another one, or an empty text."""
    path = collection_path(uuid4().hex, "snapshots", "recover")
    body = {"location": _OTHER_FILE, "checksum": _NO_CHECKSUM}
    try:
        node.request(Call(method="PUT", path=path, body=body))
    except ClusterError as error:
        match = _ONLY_FOLDER.search(error.why) if error.forbidden else None
        return match[1] if match else ""
    return ""
