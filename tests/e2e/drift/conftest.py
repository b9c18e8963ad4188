"""A project that was applied to a real server, and the command that tells what moved since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import CommandResult, run_cli
from tests.support.servers import Node

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: {env: CLUSTER_URL}}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: 32}
  payload_indexes: {brand: keyword, price: float}
  strict_mode_config: {enabled: true, max_query_limit: 100}
  metadata: {owner: search}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: reviews}
spec: {vectors: {size: 4, distance: Dot}}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
"""


@dataclass
class Shop:
    """A project `shop` with the environment `dev`, and its server."""

    folder: Path
    node: Node

    def run(self, *words: str) -> CommandResult:
        return run_cli(*words, project=self.folder)

    def apply(self, *words: str) -> None:
        code, out, err = self.run("apply", "--auto-approve", *words)
        assert code == 0, out + err

    def drift(self, *words: str) -> tuple[int, Any]:
        """Exit code and report; the code is the same in every format."""
        code, out, err = self.run("drift", "--format", "json", *words)
        assert out, err
        for other in ("text", "markdown", "prometheus"):
            assert self.run("drift", "--format", other, *words)[0] == code
        return code, json.loads(out)

    def by_hand(self, *requests: tuple[Any, ...]) -> None:
        for method, path, *body in requests:
            status, answer = self.node.request(method, path, *body)
            assert status == 200, answer

    def state(self, text: str) -> None:
        (self.folder / "manifests" / "all.yaml").write_text(text)


def told(block: list[dict[str, Any]]) -> dict[str, Any]:
    """A block of a report: address -> what, or the fields with what was and what is."""
    return {
        moved["address"]: {
            ".".join(map(str, f["path"])): (f.get("before"), f.get("now")) for f in moved["fields"]
        }
        or moved["what"]
        for moved in block
    }


def project(folder: Path, node: Node, monkeypatch) -> Shop:
    (folder / "manifests").mkdir(parents=True)
    (folder / "qdrantctl.yaml").write_text(PROJECT)
    monkeypatch.setenv("CLUSTER_URL", node.url)
    monkeypatch.setenv("QDRANTCTL_ACTOR", "tester")
    shop = Shop(folder, node)
    shop.state(MANIFEST)
    return shop


@pytest.fixture
def shop(tmp_path, empty_qdrant, monkeypatch) -> Shop:
    """Applied, and at rest."""
    shop = project(tmp_path / "shop", empty_qdrant, monkeypatch)
    shop.apply()
    return shop
