"""Taking the snapshot before points are destroyed: on every node, read back, and kept."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from qdrantctl.flows.nodes import NodeDoor, Work, points, reached, replicas, snapshots, topology
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.resource import Resource
from qdrantctl.model.snapshot import File, Taken
from qdrantctl.model.step import Call, Snapshot, collection_path

SECOND = 1.0

_TIME = re.compile(r"-(\d{4}(?:-\d\d){5})\.snapshot$")


def take(step: Snapshot, live: Resource, work: Work) -> Taken:
    """A snapshot on every node that holds shards. Raises QdrantctlError; nothing was destroyed."""
    told = topology(work.door, step.collection)
    holders = frozenset(peer for _, peer, _ in replicas(told))
    with reached(work.door, step.nodes, holders, f"snapshot of {step.collection}") as nodes:
        files = tuple(_file(peer, nodes[peer], step.collection, work) for peer in sorted(holders))
    wanted = {shard for shard, _, _ in replicas(told)}
    if missing := wanted - {shard for file in files for shard in file.shards}:
        raise ClusterError(
            f"{work.door.server.url}: no replica of shard {min(missing)} of {step.collection} is "
            "active, so no snapshot holds it",
            hint="See that every node is up and its replicas are active.",
        )
    found = _TIME.search(files[0].name)
    return Taken(
        id=found[1] if found else files[0].name,
        collection=step.collection,
        server=str(work.door.server.version),
        aliases=live.facts.aliases,
        spec=live.spec,
        keys=_keys(told),
        files=files,
    )


def _keys(told: Mapping[str, Any]) -> tuple[tuple[str | int, tuple[int, ...]], ...]:
    """Shard keys with their shards, in the order in which the shards were made."""
    found: dict[str | int, set[int]] = defaultdict(set)
    for shard in (*told["local_shards"], *told["remote_shards"]):
        if (key := shard.get("shard_key")) is not None:
            found[key].add(shard["shard_id"])
    made = ((key, tuple(sorted(shards))) for key, shards in found.items())
    return tuple(sorted(made, key=lambda entry: entry[1]))


def _of_its_own_second(node: NodeDoor, collection: str) -> None:
    """A snapshot is named after its second, and would take the place of one of the same."""
    times = [found[1] for name in snapshots(node, collection) if (found := _TIME.search(name))]
    if any(made >= f"{node.now:%Y-%m-%d-%H-%M-%S}" for made in times):
        time.sleep(SECOND)


def _file(peer: str, node: NodeDoor, collection: str, work: Work) -> File:
    """One node's part. The server's word is not taken for it: the file is read back whole."""
    work.say(f"collection/{collection}: taking a snapshot on {node.server.url}")
    _of_its_own_second(node, collection)
    before = points(node, collection)
    path = collection_path(collection, "snapshots")
    made = node.ask(Call(method="POST", path=path, query={"wait": "true"}))
    after = points(node, collection)
    name, size = str(made["name"]), int(made["size"])
    listed = snapshots(node, collection).get(name, {})
    call = Call(method="GET", path=collection_path(collection, "snapshots", name))
    checksum, length = sha256(), 0
    for piece in node.download(call):
        work.go_on()
        checksum.update(piece)
        length += len(piece)
        work.say(
            f"collection/{collection}: reading the snapshot back, {length:,} of {size:,} bytes"
        )
    found = checksum.hexdigest()
    # Object storage tells no checksum, neither when it is written nor in the list.
    told = {entry.get("checksum") or found for entry in (made, listed)}
    if not listed or {size, int(listed["size"])} != {length} or told != {found}:
        raise ClusterError(
            f"{node.server.url}: the snapshot {name} is not what the server says it wrote",
            why=f"{length:,} bytes with sha256 {found} were read back, {size:,} bytes with "
            f"{made.get('checksum')} were written.",
            hint="Look at the disk and the log of that node.",
        )
    shards = {shard: (before.get(shard, count), count) for shard, count in after.items()}
    return File(peer=peer, name=name, size=size, checksum=found, shards=shards)
