"""What a server shows of a collection: by its answers and its files, not through the tool."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.rows import SIZE

if TYPE_CHECKING:
    from tests.support.servers import Node

POINTS = 150
NOTHING = object()
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Seen:
    """One look at one collection."""

    uuid: str
    """Another one means that the collection was made anew."""
    points: int
    segments: frozenset[str]
    """Folders of segments: a segment that is built anew has a new one."""
    indexes: frozenset[tuple[str, int, int]]
    """Folders of payload indexes in the segments, with inode and time."""
    value: Any
    """What GET reports of the field."""


def ask(node: Node, method: str, path: str, body: Any = None) -> Any:
    status, answer = node.request(method, path, body)
    assert status == 200, (method, path, body, answer)
    return answer["result"]


def look(node: Node, name: str, path: Place) -> Seen:
    """A look once the server has nothing left to do."""
    info, built = at_rest(node, name)
    telemetry = ask(node, "GET", "/telemetry?details_level=2")["collections"]["collections"]
    indexes = [folder for each in built for folder in each.glob("payload_index/*/")]
    if path[0] == "shard_keys":
        info["shard_keys"] = _shards_by_key(ask(node, "GET", f"/collections/{name}/cluster"))
    return Seen(
        uuid=next(entry["config"]["uuid"] for entry in telemetry if entry["id"] == name),
        points=info["points_count"],
        segments=frozenset(folder.name for folder in built),
        indexes=frozenset(_marked(folder) for folder in indexes),
        value=reported(info, path),
    )


def at_rest(node: Node, name: str, *, indexed: bool = False) -> tuple[Any, list[Path]]:
    """GET of a collection once it is green and segments that were replaced are gone.

    Yellow shows in the first answer after a change of settings, but not after one of points.
    """
    folder = node.folder / "storage" / "collections" / name
    until = time.monotonic() + 30
    while True:
        info = ask(node, "GET", f"/collections/{name}")
        built = [segment for segment in folder.glob("*/segments/*") if not segment.suffix]
        ready = info["status"] == "green" and len(built) == info["segments_count"]
        if ready and (info["indexed_vectors_count"] or not indexed):
            return info, built
        assert time.monotonic() < until, (info, built)
        time.sleep(0.01)


def _marked(folder: Path) -> tuple[str, int, int]:
    status = folder.stat()
    return f"{folder.parent.parent.name}/{folder.name}", status.st_ino, status.st_mtime_ns


def _shards_by_key(topology: dict[str, Any]) -> dict[str | int, Any]:
    """Shard keys with how many shards each has, and where."""
    found: dict[str | int, Any] = {}
    for shard in topology["local_shards"]:
        key = shard["shard_key"]
        known = found.setdefault(key, {"key": key, "shards_number": 0, "replication_factor": 1})
        known["shards_number"] += 1
        known["placement"] = [topology["peer_id"]]
    return found


def reported(info: dict[str, Any], path: Place) -> Any:
    """What GET says at a place of the manifest; NOTHING where it says nothing."""
    config, (head, *rest) = info["config"], path
    if head == "payload_indexes":
        schema = info["payload_schema"].get(rest[0])
        tree: Any = {} if schema is None else {rest[0]: schema.get("params") or _bare(schema)}
    elif head == "shard_keys":
        tree = info["shard_keys"]
    elif head == "optimizers_config":
        tree = config["optimizer_config"]
    elif head in ("hnsw_config", "quantization_config", "wal_config", "strict_mode_config",
                  "metadata"):  # fmt: skip
        tree = config.get(head)
    else:
        tree = config["params"].get(head)
        if head == "vectors" and rest[0] == "":
            tree = {"": tree}
    for word in rest:
        tree = tree.get(word) if isinstance(tree, dict) else None
    return NOTHING if tree is None else tree


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": schema["data_type"]}


def fill(node: Node, name: str) -> None:
    """Points with every vector that the collection has, and a payload for every type of index."""
    config = ask(node, "GET", f"/collections/{name}")["config"]
    params = config["params"]
    vectors = params["vectors"]
    named = {"": vectors} if "size" in vectors else vectors
    random.seed(7)
    points = [
        {"id": number, "vector": _vectors(named, params), "payload": _payload(number)}
        for number in range(POINTS)
    ]
    body: dict[str, Any] = {"points": points}
    if params.get("sharding_method") == "custom":
        keys = ask(node, "GET", f"/collections/{name}/shards").get("shard_keys")
        if not keys:
            return
        body["shard_key"] = keys[0]["key"]
    ask(node, "PUT", f"/collections/{name}/points?wait=true", body)
    at_rest(node, name, indexed=config["optimizer_config"]["indexing_threshold"] == 1)


def _vectors(named: dict[str, Any], params: dict[str, Any]) -> Any:
    found: dict[str, Any] = {}
    for name, vector in named.items():
        values = [random.randint(0, 255) for _ in range(vector["size"])]
        found[name] = [values, values[::-1], values] if "multivector_config" in vector else values
    for name in params.get("sparse_vectors") or {}:
        found[name] = {"indices": random.sample(range(SIZE), 4), "values": [1, 2, 3, 4]}
    return found[""] if set(found) == {""} else found


def _payload(number: int) -> dict[str, Any]:
    return {
        "keyword": f"brand {number % 7}",
        "integer": number,
        "float": number / 3,
        "bool": number % 2 == 0,
        "geo": {"lon": number % 90, "lat": number % 45},
        "text": f"the quick brown fox number {number}",
        "datetime": "2026-01-01T00:00:00Z",
        "uuid": f"00000000-0000-0000-0000-{number:012}",
    }
