"""One set: taken on every node, copied to its destinations, its sidecar last.

What was begun is written down at each destination before anything is copied. So the next run
finds the files that the servers hold of a run that died, and goes on with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from qdrantctl.adapters.stores.store import Store
from qdrantctl.flows.cluster.nodes import (
    Work,
    members,
    reached,
    replicas,
    shard_keys,
    snapshots,
    topology,
)
from qdrantctl.flows.snapshots.policies.sample import sample
from qdrantctl.flows.snapshots.sets.catalog import put
from qdrantctl.flows.snapshots.sets.cluster_store import forget
from qdrantctl.flows.snapshots.take import begun
from qdrantctl.flows.state.live import observe
from qdrantctl.model.address import Address
from qdrantctl.model.client import Asked, NodeDoor
from qdrantctl.model.errors import ClusterError, StoreError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.snapshot import File
from qdrantctl.model.snapshots.snapshot_set import BEGUN, SIDECAR, Set, Sidecar, part
from qdrantctl.model.step import Call, Snapshot, collection_path

NOT_FOUND = 404


def begin(
    step: Snapshot, about: Mapping[str, Any], entry: Mapping[str, Json], work: Work
) -> Sidecar:
    """Take the snapshots on every node. Raises QdrantctlError.

    `about` says for whom: owner, policy and scheduled. `entry` is what that owner has recorded of
    the collection.
    """
    address = Address("collection", step.collection)
    only = frozenset({address})
    live = observe(work.door, Asked(Inventory(), Inventory(), details=only, only=only)).get(address)
    if live is None:
        raise ClusterError(f"{work.door.server.url}: {address} is gone")
    told = topology(work.door, step.collection)
    holders = frozenset(peer for _, peer, _ in replicas(told))
    keys = shard_keys(told)
    with reached(work.door, step.nodes, holders, str(address)) as nodes:
        before = sample(work.door, step.collection, live.spec, keys)
        taken = begun(step.collection, live, told, nodes, work)
        # What was written meanwhile may be in the snapshot or not.
        seen = before.both(sample(work.door, step.collection, live.spec, keys))
    return Sidecar(
        **about,
        id=taken.id,
        taken=work.door.now,
        snapshot=taken.of(entry),
        sample=seen.points,
        queries=seen.queries,
    )


def copied(store: Store, sidecar: Sidecar, there: Mapping[str, int], work: Work) -> Sidecar:
    """Put every file at a destination, then the sidecar. Raises QdrantctlError.

    What is `there` was written whole, and is not copied again.
    """
    taken = sidecar.snapshot
    peers = frozenset(file.peer for file in taken.files)
    files: list[File] = []
    with reached(work.door, _nodes(work), peers, sidecar.address) as nodes:
        for file in taken.files:
            if not file.checksum or there.get(part(file.peer)) != file.size:
                pieces = Pieces(file, taken.collection, nodes[file.peer], work)
                store.write(sidecar.folder + part(file.peer), iter(pieces))
                file = file.model_copy(update={"checksum": pieces.found.hexdigest()})
            files.append(file)
    whole = taken.model_copy(update={"files": tuple(files)})
    done = sidecar.model_copy(update={"snapshot": whole})
    put(store, sidecar.folder + SIDECAR, done)
    return done


def _nodes(work: Work) -> tuple[str, ...]:
    return work.nodes if work.door.server.peers > 1 else ()


class Pieces:
    """The bytes of one node's file, compared at their end with what the server has written."""

    def __init__(self, file: File, collection: str, node: NodeDoor, work: Work) -> None:
        self.file, self.collection, self.node, self.work = file, collection, node, work
        self.found = sha256()

    def __iter__(self) -> Iterator[bytes]:
        path = collection_path(self.collection, "snapshots", self.file.name)
        length = 0
        for piece in self.node.download(Call(method="GET", path=path)):
            self.work.go_on()
            self.found.update(piece)
            length += len(piece)
            self.work.say(
                f"collection/{self.collection}: {length:,} of {self.file.size:,} bytes copied"
            )
            yield piece
        mark = self.found.hexdigest()
        if length != self.file.size or mark != (self.file.checksum or mark):
            raise StoreError(
                f"{self.node.server.url}: {self.file.name} is not what the server has written",
                why=f"{length:,} bytes with sha256 {mark} came, {self.file.size:,} with "
                f"{self.file.checksum or 'an unknown one'} were written.",
                hint="Look at the disk and the log of that node.",
            )


def tidied(sets: Sequence[tuple[Store, Set]], work: Work, *, keep: bool) -> None:
    """Remove the servers' own copies of a set that is whole at all its destinations.

    Raises QdrantctlError. Until then what was begun stays written down.
    """
    about = next((each.about for _, each in sets if each.about), None)
    if about is None or any(each.sidecar is None for _, each in sets):
        return
    if not keep:
        dropped(about, work)
    for store, each in sets:
        store.delete(each.folder + BEGUN)


def dropped(sidecar: Sidecar, work: Work) -> None:
    """Remove the servers' own copies. Raises QdrantctlError."""
    peers = members(work.door, (file.peer for file in sidecar.snapshot.files))
    with reached(work.door, _nodes(work), peers, sidecar.address) as nodes:
        for file in sidecar.snapshot.files:
            if file.peer in nodes:
                forget(nodes[file.peer], sidecar, file)


def source_gone(sidecar: Sidecar, work: Work) -> bool:
    """Whether the servers hold no longer what was begun. Raises QdrantctlError."""
    peers = members(work.door, (file.peer for file in sidecar.snapshot.files))
    try:
        with reached(work.door, _nodes(work), peers, sidecar.address) as nodes:
            return any(
                file.peer not in nodes
                or file.name not in snapshots(nodes[file.peer], sidecar.snapshot.collection)
                for file in sidecar.snapshot.files
            )
    except ClusterError as error:
        if error.status == NOT_FOUND:
            return True
        raise
