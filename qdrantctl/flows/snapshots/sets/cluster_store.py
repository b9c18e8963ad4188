"""The cluster itself as a destination: files stay on the servers, metadata in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from pydantic import ValidationError

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import (
    JobContext,
    connect_nodes,
    current_members,
    download_snapshot,
)
from qdrantctl.flows.snapshots import placeholder
from qdrantctl.flows.snapshots.sets.registry import (
    KIND,
    read_policy_entry,
    write_policy_entry,
)
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient, get_or_none
from qdrantctl.model.errors import ClusterError, StoreError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile
from qdrantctl.model.snapshots.snapshot_set import (
    BEGUN_FILE,
    MANIFEST_FILE,
    PRUNED_FILE,
    SetManifest,
    node_file,
    set_folder,
)
from qdrantctl.model.step import Call, collection_path


@frozen
class ClusterStore:
    """A `Store` for the sets of one policy."""

    job: JobContext
    nodes: tuple[str, ...]
    owners: tuple[str, ...]
    """The owner, then its previous names: sets under all of them belong to it."""
    policy: str
    url: str = CLUSTER

    def list_files(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Name and size of every file below a prefix that ends with `/`; all if it is empty."""
        documents = self._documents()
        for name, document in documents.items():
            if name.startswith(prefix):
                yield name, len(json.dumps(document))
        for folder in {f"{name.rpartition('/')[0]}/" for name in documents}:
            if folder.startswith(prefix):
                yield from self._list_snapshot_files(folder, documents)

    def _list_snapshot_files(
        self, folder: str, documents: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[tuple[str, int]]:
        manifest = _read_manifest(folder, documents)
        if manifest is None:
            return
        snapshot = manifest.snapshot
        with ExitStack() as stack:
            nodes = stack.enter_context(self._connect_holders(manifest))
            for file in snapshot.files:
                if file.peer not in nodes:  # the node was removed, and its file with it
                    continue
                if size := _file_size(nodes[file.peer], snapshot.object_name, file):
                    yield f"{folder}{node_file(file.peer)}", size

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises StoreError, ClusterError.

        If the collection was deleted, an empty placeholder exists meanwhile.
        """
        documents = self._documents()
        if name in documents:
            yield json.dumps(documents[name]).encode()
            return
        manifest, file = self._find_file(name, documents)
        with self._connect_holders(manifest) as nodes:
            if file.peer not in nodes:
                raise StoreError(f"cluster: node {file.peer} was removed, and {name} with it")
            node, collection = nodes[file.peer], manifest.snapshot.object_name
            with ExitStack() as stack:
                if _list_files(node, collection) is None:
                    stack.enter_context(
                        placeholder.placeholder_collection(self.job.client, [node], collection)
                    )
                yield from download_snapshot(node, collection, file.name)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write JSON; a snapshot exists on the server, so its bytes are only read.

        Raises ClusterError.
        """
        if not name.endswith(".json"):
            for _ in pieces:
                pass
            return
        self._write(self._owner(name), {name: json.loads(b"".join(pieces))})

    def delete(self, name: str) -> None:
        """Delete a file if it exists. Raises ClusterError."""
        documents = self._documents()
        if name.endswith(".json"):
            if name in documents:
                self._write(self._owner(name), {}, without=name)
            return
        manifest, file = self._find_file(name, documents)
        with self._connect_holders(manifest) as nodes:
            if file.peer in nodes:
                delete_server_file(nodes[file.peer], manifest, file)

    def _connect_holders(self, manifest: SetManifest) -> Any:
        peers = current_members(self.job.client, (file.peer for file in manifest.snapshot.files))
        nodes = self.nodes if self.job.client.server.peers > 1 else ()
        return connect_nodes(self.job.client, nodes, peers, f"snapshots of {self.policy}")

    def _find_file(
        self, name: str, documents: Mapping[str, Mapping[str, Any]]
    ) -> tuple[SetManifest, NodeSnapshotFile]:
        folder, _, file_name = name.rpartition("/")
        manifest = _read_manifest(f"{folder}/", documents)
        for file in manifest.snapshot.files if manifest else ():
            if manifest and node_file(file.peer) == file_name:
                return manifest, file
        raise StoreError(f"cluster: the ledger has no snapshot {name}")

    def _owner(self, name: str) -> str:
        """Whose file it is."""
        return next(o for o in self.owners if name.startswith(set_folder(o)))

    def _documents(self) -> dict[str, Mapping[str, Any]]:
        """What the ledger tells, by the names of files."""
        entries = ledger.read_ledger(self.job.client).entries
        documents: dict[str, Mapping[str, Any]] = {}
        for owner in self.owners:
            documents |= (
                entries.get(Address(KIND, self.policy).qualified(owner), {}).get("files") or {}
            )
        return documents

    def _write(self, owner: str, more: Mapping[str, Json], without: str = "") -> None:
        entry = read_policy_entry(self.job.client, owner, self.policy)
        documents = {**(entry.get("files") or {}), **more}
        documents.pop(without, None)
        write_policy_entry(self.job.client, owner, self.policy, {**entry, "files": documents})


def cluster_stores(settings: Settings, job: JobContext) -> list[ClusterStore]:
    """One store for each policy of this owner with sets on the servers, applied or not.

    Raises ClusterError.
    """
    names = {
        address.name.removeprefix(f"{entry['owner']}/")
        for address, entry in ledger.read_ledger(job.client).entries.items()
        if address.kind == KIND and entry["owner"] in settings.owners
    }
    return [ClusterStore(job, settings.nodes, settings.owners, name) for name in sorted(names)]


def _read_manifest(folder: str, documents: Mapping[str, Mapping[str, Any]]) -> SetManifest | None:
    for name in (MANIFEST_FILE, BEGUN_FILE, PRUNED_FILE):
        if document := documents.get(folder + name):
            with suppress(ValidationError):  # the listing shows an orphaned set
                return SetManifest.model_validate(document)
    return None


def _file_size(node: NodeClient, collection: str, file: NodeSnapshotFile) -> int:
    """Size of a file in bytes; 0 if it does not exist. Raises ClusterError.

    A server keeps the files of a deleted collection, but lists them only while one of that name
    exists: then the recorded size counts.
    """
    listing = _list_files(node, collection)
    if listing is None:
        return file.size
    entry = listing.get(file.name)
    return int(entry["size"]) if entry else 0


def _list_files(node: NodeClient, collection: str) -> Mapping[str, Mapping[str, Any]] | None:
    """The snapshots that a node lists; None if the collection is gone. Raises ClusterError."""
    call = Call(method="GET", path=collection_path(collection, "snapshots"))
    listed = get_or_none(node, call)
    return None if listed is None else {entry["name"]: entry for entry in listed}


def delete_server_file(node: NodeClient, manifest: SetManifest, file: NodeSnapshotFile) -> None:
    """Delete the server's own copy of a file, if there is one. Raises ClusterError.

    It also raises if the server cannot delete the file: its metadata must not be deleted first.
    """
    collection = manifest.snapshot.object_name
    path = collection_path(collection, "snapshots", file.name)
    try:
        node.request(Call(method="DELETE", path=path, query={"wait": "true"}))
    except ClusterError as error:
        if not error.not_found:
            raise
        if _list_files(node, collection) is None and _is_hidden_file(node, collection, file):
            raise _undeletable_error(node, collection, file) from None


def _is_hidden_file(node: NodeClient, collection: str, file: NodeSnapshotFile) -> bool:
    """Whether a node has a file of a deleted collection: a placeholder shows it."""
    with placeholder.placeholder_collection(node, [node], collection):
        return _file_size(node, collection, file) > 0


def _undeletable_error(node: NodeClient, collection: str, file: NodeSnapshotFile) -> ClusterError:
    path = collection_path(collection, "snapshots", file.name)
    hint = (
        f"Create an empty collection with that name, send DELETE {path}, or delete the file in "
        "the server's folder of snapshots"
    )
    return ClusterError(
        f"{node.server.url}: a server cannot delete snapshots of a deleted collection; "
        f"{file.name} of collection/{collection} and its metadata are kept",
        hint=f"{hint}, and run the command again.",
    )
