"""A project whose apply meets every kind of step, and what must hold however that apply ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.servers import Node

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: {env: ENDURANCE_URL}}
"""
BEFORE = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  payload_indexes: {a: keyword, c: integer}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: swapped}
spec: {vectors: {size: 4, distance: Dot}}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: old}
spec: {vectors: {size: 5, distance: Dot}}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: freed}
spec: {collection: products}
"""
AFTER = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: 32}
  payload_indexes: {b: float, c: keyword}
  strict_mode_config: {enabled: true, max_payload_index_count: 2}
  metadata: {owner: search}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: swapped}
spec: {vectors: {size: 8, distance: Dot}, payload_indexes: {x: uuid}}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: freed}
spec:
  vectors: {size: 6, distance: Dot}
  read_fan_out_factor: 1
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
"""
FLAGS = (
    "--auto-approve",
    *("--allow-delete", "collection/old"),
    *("--allow-replace", "collection/swapped"),
    *("--allow-alias", "alias/freed"),
)
POINTS = [{"id": i, "vector": [i, 0, 0, 1], "payload": {"a": "x"}} for i in (1, 2, 3)]


def write(folder: Path, manifests: str) -> None:
    (folder / "manifests").mkdir(exist_ok=True)
    (folder / "manifests" / "all.yaml").write_text(manifests)
    (folder / "qdrantctl.yaml").write_text(PROJECT)


def prepare(node: Node) -> None:
    """What others have put on the cluster after BEFORE was applied."""
    for name, points in (("products", POINTS), ("old", []), ("swapped", POINTS[:1])):
        if points:
            _sent(node, "PUT", f"/collections/{name}/points?wait=true", {"points": points})
    by_hand = {"create_alias": {"alias_name": "by-hand", "collection_name": "swapped"}}
    _sent(node, "POST", "/collections/aliases", {"actions": [by_hand]})


def _sent(node: Node, method: str, path: str, body: Any) -> None:
    status, answer = node.request(method, path, body)
    assert status == 200, answer


def check(node: Node) -> None:
    """What AFTER asks, and what must never be lost on the way."""

    def got(path: str) -> Any:
        status, answer = node.request("GET", path)
        assert status == 200, answer
        return answer["result"]

    products = got("/collections/products")
    assert products["points_count"] == len(POINTS)
    assert products["config"]["hnsw_config"]["m"] == 32
    assert products["config"]["strict_mode_config"]["max_payload_index_count"] == 2
    schema = {name: index["data_type"] for name, index in products["payload_schema"].items()}
    assert schema == {"b": "float", "c": "keyword"}
    assert got("/collections/swapped")["config"]["params"]["vectors"]["size"] == 8
    assert got("/collections/freed")["config"]["params"]["read_fan_out_factor"] == 1
    aliases = {a["alias_name"]: a["collection_name"] for a in got("/aliases")["aliases"]}
    assert aliases == {"live": "products", "by-hand": "swapped"}
    names = {entry["name"] for entry in got("/collections")["collections"]}
    assert names == {"products", "swapped", "freed", "_qdrantctl"}
    body = {"limit": 100, "with_payload": True}
    status, answer = node.request("POST", "/collections/_qdrantctl/points/scroll", body)
    assert status == 200
    entries = [point["payload"] for point in answer["result"]["points"]]
    assert json.dumps(entries).count('"pending"') == 0
    assert {e["address"]: e.get("deleted") for e in entries if "address" in e} == {
        "collection/products": False,
        "collection/swapped": False,
        "collection/freed": False,
        "collection/old": True,
        "alias/live": False,
        "alias/freed": True,
    }
