"""A project of one environment, planned and applied in process through any node of a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from tests.support.cli import CommandResult, run_cli
from tests.support.servers import Node

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: {env: FLOWS_URL}}
"""
VECTORS = {"size": 4, "distance": "Dot"}
CONSENSUS_TIMEOUT = "Operation 'wait for replica set state' timed out after 10s"
Spec = Mapping[str, Any]


class Project:
    """A folder with one manifest file, which `states` writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        (folder / "qdrantctl.yaml").write_text(PROJECT)

    def states(self, collections: Mapping[str, Spec], aliases: Mapping[str, str] | None = None):
        """Only these resources from now on. Values may hold `{"spec": …, "lifecycle": …}`."""
        documents = []
        for name, spec in collections.items():
            whole = spec if "spec" in spec else {"spec": spec}
            documents.append(_document("Collection", name) | dict(whole))
        for name, collection in (aliases or {}).items():
            documents.append(_document("Alias", name) | {"spec": {"collection": collection}})
        text = "\n---\n".join(json.dumps(document) for document in documents)
        (self.folder / "manifests" / "all.yaml").write_text(text + "\n")

    def names(self, nodes: list[Node]) -> None:
        """State in the environment where these nodes are."""
        urls = json.dumps([node.url for node in nodes])
        text = PROJECT.replace("FLOWS_URL}}", f"FLOWS_URL}}, nodes: {urls}}}")
        (self.folder / "qdrantctl.yaml").write_text(text)

    def run(self, at: Node | str, *words: str) -> CommandResult:
        url = at if isinstance(at, str) else at.url
        environ = {"FLOWS_URL": url, "QDRANTCTL_ACTOR": "tester"}
        return run_cli(*words, project=self.folder, env=environ)

    def plan(self, at: Node | str, *flags: str) -> CommandResult:
        return self.run(at, "plan", "--detailed-exitcode", "--format", "json", *flags)

    def apply(self, at: Node | str, *flags: str) -> CommandResult:
        return self.run(at, "apply", "--auto-approve", "--format", "json", *flags)

    def done(self, at: Node | str, *flags: str) -> CommandResult:
        """Apply, which must work, and leave nothing to be planned.

        On a busy machine three servers may not agree in the 10 seconds that each waits for the
        others; then the next apply finishes, as for any user.
        """
        told = self.apply(at, *flags)
        if told.code == 6 and CONSENSUS_TIMEOUT in told.out + told.err:
            told = self.apply(at, *flags)
        assert told.code == 0, told.out + told.err
        after = self.plan(at)
        assert after.code == 0, after.out + after.err
        return told


def _document(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "qdrantctl/v1", "kind": kind, "metadata": {"name": name}}


def asked(node: Node, method: str, path: str, body: Any = None) -> Any:
    """The result of a request by hand, which must work."""
    status, answer = node.request(method, path, body)
    assert status == 200, answer
    return answer["result"]


def config(node: Node, name: str) -> dict[str, Any]:
    """The configuration of a collection as this node knows it."""
    found = asked(node, "GET", "/telemetry?details_level=2")["collections"]["collections"]
    return next(entry["config"] for entry in found if entry["id"] == name)


def record(node: Node, address: str) -> dict[str, Any]:
    """What the ledger holds of an address; empty when it holds nothing."""
    body = {"ids": [ledger_point_id(address)], "with_payload": True}
    found = asked(node, "POST", "/collections/_qdrantctl/points", body)
    return found[0]["payload"] if found else {}


def upsert(node: Node, name: str, count: int = 3, key: str | int | None = None) -> None:
    points = [{"id": i, "vector": [i, 0, 0, 1]} for i in range(1, count + 1)]
    body = {"points": points} | ({} if key is None else {"shard_key": key})
    asked(node, "PUT", f"/collections/{name}/points?wait=true", body)


def emptied(nodes: list[Node]) -> None:
    """Delete every collection, and wait until every node knows it."""
    nodes[0].wipe()
    until = time.monotonic() + 10
    while any(asked(node, "GET", "/collections")["collections"] for node in nodes):
        assert time.monotonic() < until
        time.sleep(0.01)
