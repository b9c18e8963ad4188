"""A project whose applies destroy points, and what is compared afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cli import CommandResult
from tests.support.project import VECTORS, Project, asked, record
from tests.support.servers import Node

SPEC = {
    "vectors": VECTORS,
    "hnsw_config": {"m": 20},
    "payload_indexes": {"brand": "keyword", "price": "float"},
    "strict_mode_config": {"enabled": True, "max_query_limit": 50},
    "metadata": {"team": "search"},
    "read_fan_out_factor": 2,  # no server takes it from a snapshot
}
OTHER = {"vectors": VECTORS}
DELETE = ("--allow-delete", "collection/products")
FROM = "collection/products"


def fill(
    node: Node,
    name: str = "products",
    count: int = 30,
    key: str | int | None = None,
    first: int = 1,
) -> None:
    """Points with payload, some of them changed and deleted again."""
    points = [
        {"id": i, "vector": [i, 1, 0, 1], "payload": {"brand": f"b{i % 3}", "price": i / 2}}
        for i in range(first, first + count + 2)
    ]
    beside = {} if key is None else {"shard_key": key}
    path = f"/collections/{name}/points"
    asked(node, "PUT", f"{path}?wait=true", {"points": points} | beside)
    gone = {"points": [first + count, first + count + 1]} | beside
    asked(node, "POST", f"{path}/delete?wait=true", gone)
    set_one = {"payload": {"brand": "set later"}, "points": [first]} | beside
    asked(node, "POST", f"{path}/payload?wait=true", set_one)


def contents(node: Node, name: str) -> Any:
    """Every point with vector and payload."""
    body = {"limit": 50, "with_vector": True, "with_payload": True}
    found = asked(node, "POST", f"/collections/{name}/points/scroll", body)
    assert found["next_page_offset"] is None
    return sorted(found["points"], key=json.dumps)


def about(node: Node, name: str) -> Any:
    """Settings and indexes."""
    found = asked(node, "GET", f"/collections/{name}")
    return found["config"], found["payload_schema"], found["points_count"], found["status"]


def files(node: Node, name: str = "products") -> list[Path]:
    """The snapshots in the server's own folder."""
    return sorted((node.folder / "snapshots" / name).glob("*.snapshot"))


def taken(node: Node, address: str = FROM) -> list[dict[str, Any]]:
    """The snapshots that the ledger tells of."""
    return record(node, address).get("snapshots", [])


def restored(project: Project, node: Node | str, *words: str, what: str = FROM) -> CommandResult:
    return project.run(node, "snapshots", "restore", what, "--auto-approve", *words)


def names(node: Node) -> set[str]:
    return {c["name"] for c in asked(node, "GET", "/collections")["collections"]}
