"""The cluster itself as a destination: files stay with the servers, what is known in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import Work, members, pieces, reached, snapshots
from qdrantctl.flows.snapshots import placeholder as stand_in
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeDoor
from qdrantctl.model.errors import ClusterError, StoreError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import File
from qdrantctl.model.snapshots.snapshot_set import BEGUN, PRUNED, SIDECAR, Sidecar, folder, part
from qdrantctl.model.step import Call, collection_path

KIND = "snapshot_sets"
"""Of entries of the ledger that are no resources: what a policy left on the servers."""


@dataclass(frozen=True, slots=True)
class ClusterStore:
    """A `Store` of one policy."""

    work: Work
    nodes: tuple[str, ...]
    owners: tuple[str, ...]
    """The owner, then its previous names: what it left under these is its own."""
    policy: str
    url: str = CLUSTER

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Every file under a prefix that ends with `/`, or all with none, with its size."""
        documents = self._documents()
        for name, document in documents.items():
            if name.startswith(prefix):
                yield name, len(json.dumps(document))
        for above in {f"{name.rpartition('/')[0]}/" for name in documents}:
            if above.startswith(prefix):
                yield from self._listed(above, documents)

    def _listed(
        self, above: str, documents: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[tuple[str, int]]:
        sidecar = _sidecar(above, documents)
        if sidecar is None:
            return
        taken = sidecar.snapshot
        with ExitStack() as stack:
            nodes = stack.enter_context(self._reached(sidecar))
            for file in taken.files:
                if file.peer not in nodes:  # gone for good, and its file with it
                    continue
                if size := _size(nodes[file.peer], taken.collection, file):
                    yield f"{above}{part(file.peer)}", size

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises StoreError, ClusterError."""
        documents = self._documents()
        if name in documents:
            yield json.dumps(documents[name]).encode()
            return
        sidecar, file = self._file(name, documents)
        with self._reached(sidecar) as nodes:
            if file.peer not in nodes:
                raise StoreError(f"cluster: node {file.peer} is gone, and {name} with it")
            yield from pieces(nodes[file.peer], sidecar.snapshot.collection, file.name)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write JSON; a snapshot is there already, and is only read. Raises ClusterError."""
        if not name.endswith(".json"):
            for _ in pieces:
                pass
            return
        self._write(self._owner(name), {name: json.loads(b"".join(pieces))})

    def delete(self, name: str) -> None:
        """Delete a file; nothing where there is none. Raises ClusterError."""
        documents = self._documents()
        if name.endswith(".json"):
            if name in documents:
                self._write(self._owner(name), {}, without=name)
            return
        sidecar, file = self._file(name, documents)
        with self._reached(sidecar) as nodes:
            if file.peer in nodes:
                forget(nodes[file.peer], sidecar, file)

    def _reached(self, sidecar: Sidecar) -> Any:
        peers = members(self.work.door, (file.peer for file in sidecar.snapshot.files))
        nodes = self.nodes if self.work.door.server.peers > 1 else ()
        return reached(self.work.door, nodes, peers, f"snapshots of {self.policy}")

    def _file(self, name: str, documents: Mapping[str, Mapping[str, Any]]) -> tuple[Sidecar, File]:
        above, _, last = name.rpartition("/")
        sidecar = _sidecar(f"{above}/", documents)
        for file in sidecar.snapshot.files if sidecar else ():
            if sidecar and part(file.peer) == last:
                return sidecar, file
        raise StoreError(f"cluster: the ledger knows no snapshot {name}")

    def _owner(self, name: str) -> str:
        """Whose file it is."""
        return next(o for o in self.owners if name.startswith(folder(o, self.policy)))

    def _documents(self, *owners: str) -> dict[str, Mapping[str, Any]]:
        """What the ledger tells of these owners, or of all, by the names of files."""
        entries = ledger.read(self.work.door).entries
        found: dict[str, Mapping[str, Any]] = {}
        for owner in owners or self.owners:
            found |= entries.get(Address(KIND, self.policy).of(owner), {}).get("files") or {}
        return found

    def _write(self, owner: str, more: Mapping[str, Json], without: str = "") -> None:
        documents = {**self._documents(owner), **more}
        documents.pop(without, None)
        address = str(Address(KIND, self.policy).of(owner))
        entry = {"owner": owner, "address": address, "spec": {}, "files": documents}
        ledger.write(self.work.door, [entry])


def stores(settings: Settings, work: Work) -> list[ClusterStore]:
    """One for each policy of this owner that has left sets here, applied still or not.

    Raises ClusterError.
    """
    names = {
        address.name.removeprefix(f"{entry['owner']}/")
        for address, entry in ledger.read(work.door).entries.items()
        if address.kind == KIND and entry["owner"] in settings.owners
    }
    return [ClusterStore(work, settings.nodes, settings.owners, name) for name in sorted(names)]


def _sidecar(above: str, documents: Mapping[str, Mapping[str, Any]]) -> Sidecar | None:
    for name in (SIDECAR, BEGUN, PRUNED):
        if document := documents.get(above + name):
            with suppress(ValidationError):  # who lists it finds an orphan
                return Sidecar.model_validate(document)
    return None


def _size(node: NodeDoor, collection: str, file: File) -> int:
    """Bytes of a file; 0 where it is not there. Raises ClusterError."""
    try:
        entry = snapshots(node, collection).get(file.name)
        return int(entry["size"]) if entry else 0
    except ClusterError as error:
        if not error.not_found:
            raise
    # The collection is gone. Its first bytes tell that a file is there, and nobody tells its size.
    try:
        with closing(pieces(node, collection, file.name)) as found:
            next(found, b"")
    except ClusterError as error:
        if not error.not_found:
            raise
        return 0
    return file.size


def forget(node: NodeDoor, sidecar: Sidecar, file: File) -> None:
    """Delete the server's own copy of a file, where there is one. Raises ClusterError.

    Also where a server deletes none: what is known of the file must outlive it.
    """
    collection = sidecar.snapshot.collection
    path = collection_path(collection, "snapshots", file.name)
    try:
        node.ask(Call(method="DELETE", path=path, query={"wait": "true"}))
    except ClusterError as error:
        if not error.not_found:
            raise
        if _out_of_reach(node, collection, file):
            raise _undeletable(node, collection, file) from None


def _out_of_reach(node: NodeDoor, collection: str, file: File) -> bool:
    """Whether the collection is gone, and its file may be there all the same."""
    try:
        snapshots(node, collection)
    except ClusterError as error:
        if not error.not_found:
            raise
        # Where nobody tells whether it is there, it counts as there.
        return stand_in.needed(node.server) or _size(node, collection, file) > 0
    return False


def _undeletable(node: NodeDoor, collection: str, file: File) -> ClusterError:
    path = collection_path(collection, "snapshots", file.name)
    hint = f"Make a collection of that name again, an empty one will do, send DELETE {path}"
    if not stand_in.needed(node.server):
        hint += ", or delete the file in the server's folder of snapshots"
    return ClusterError(
        f"{node.server.url}: a server deletes no snapshot of a collection that is gone; "
        f"{file.name} of collection/{collection} stays, and what is known of it",
        hint=f"{hint}, and repeat this.",
    )
