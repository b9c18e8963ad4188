"""`fill: command` from the manifest to the alias: what stops it, and how it goes on."""

from __future__ import annotations

import sys
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
    prod: {url: {env: CLUSTER_URL}}
"""
COLLECTION = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
lifecycle:
  replace: blue_green
  replacement:
    fill: command
    command: [PYTHON, embed.py]
    text_fields: [text]
    verify: {command: [PYTHON, verify.py]}
spec:
  vectors: {size: SIZE, distance: Dot}
"""
ALIAS = """\
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: products-live}
spec: {collection: products}
"""
EMBED = """
import json, sys
for line in sys.stdin:
    if line.strip():
        point = json.loads(line)
        text = point["payload"]["text"]
        if text is None: sys.exit("a point without text")
        print(json.dumps({"id": point["id"], "vectors": [len(text), 1, 2]}), flush=True)
"""
VERIFY = """
import os, sys
print("verified", os.environ["QDRANTCTL_NEW_COLLECTION"])
sys.exit(os.path.exists("refuse"))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch, empty_qdrant: Node) -> Path:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    (tmp_path / "manifests" / "alias.yaml").write_text(ALIAS)
    (tmp_path / "embed.py").write_text(EMBED)
    (tmp_path / "verify.py").write_text(VERIFY)
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    monkeypatch.setenv("QDRANTCTL_ENV", "prod")
    write_manifest(tmp_path, 2)
    assert apply(tmp_path).code == 0
    points = [
        {"id": i, "vector": [i, 1], "payload": {"text": None if i == 7 else "x" * i}}
        for i in range(300)
    ]
    put_points(empty_qdrant, points)
    write_manifest(tmp_path, 3)
    return tmp_path


def write_manifest(project: Path, size: int) -> None:
    text = COLLECTION.replace("PYTHON", sys.executable).replace("SIZE", str(size))
    (project / "manifests" / "products.yaml").write_text(text)


def apply(project: Path) -> CommandResult:
    return run_cli("apply", "--auto-approve", project=project)


def put_points(node: Node, points: Any) -> None:
    path = "/collections/products-live/points?wait=true"
    assert node.request("PUT", path, {"points": points})[0] == 200


def test_a_poison_point_and_a_failing_check_stop_it_and_it_goes_on(project, empty_qdrant):
    node = empty_qdrant
    (project / "refuse").touch()
    stopped = apply(project)
    assert stopped.code == 6
    assert "all points but 1: id 7: it exited with code 1" in stopped.out + stopped.err
    assert "a point without text" in stopped.out + stopped.err
    count = node.request("POST", "/collections/products--2/points/count", {"exact": True})
    assert count[1]["result"]["count"] == 299
    put_points(node, [{"id": 7, "vector": [0, 1], "payload": {"text": "seven"}}])
    closed = apply(project)
    assert closed.code == 6
    assert "exited with code 1: verified products--2" in closed.out + closed.err
    assert size_behind_alias(node) == 2
    (project / "refuse").unlink()
    assert apply(project).code == 0
    assert size_behind_alias(node) == 3
    (point,) = node.request(
        "POST", "/collections/products-live/points", {"ids": [7], "with_vector": True}
    )[1]["result"]
    assert point["vector"] == [5, 1, 2]
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 0


def size_behind_alias(node: Node) -> int:
    info = node.request("GET", "/collections/products-live")[1]["result"]
    return info["config"]["params"]["vectors"]["size"]
