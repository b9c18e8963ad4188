"""Servers, a project with one collection behind an alias, and commands as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.replacement.connection import Connection
from tests.replacement.points import PAYLOAD_INDEXES, SHARD_KEYS, SPARSE_VECTORS, VECTORS
from tests.replacement.workload import ALIAS, load_points
from tests.support.servers import Node

ROOT = Path(__file__).parents[2]
ADDRESS = "collection/products"
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: {env: PROOF_URL}}
"""
LEASE = 6.0
PROGRAM = f"""\
import traceback
from qdrantctl.adapters.qdrant import lease_lock
from qdrantctl.model import errors
describe = errors._describe_place
errors._describe_place = lambda error: traceback.print_exception(error) or describe(error)
lease_lock.LEASE_SECONDS, lease_lock.RENEW_SECONDS = {LEASE}, 1.0
from qdrantctl.cli.main import main
main()
"""
"""The program, with leases that expire soon after it was killed; a bug shows where it is."""
PATIENCE = 600


@dataclass
class Site:
    """`nodes` are asked by the harness, `url` is what the commands are given."""

    nodes: Sequence[Node]
    folder: Path
    points: int
    url: str = ""
    sharded: bool = False
    spec: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    """What every command printed."""

    def __post_init__(self) -> None:
        self.url = self.url or self.nodes[0].url
        (self.folder / "manifests").mkdir(parents=True, exist_ok=True)
        (self.folder / "qdrantctl.yaml").write_text(self._project())
        self.spec = {
            "vectors": VECTORS,
            "sparse_vectors": SPARSE_VECTORS,
            "payload_indexes": PAYLOAD_INDEXES,
        } | self.spec
        if self.sharded:
            self.spec |= {"sharding_method": "custom", "shard_keys": list(SHARD_KEYS)}

    def _project(self) -> str:
        """The project file; snapshots before a retirement need the URL of every node."""
        if len(self.nodes) == 1:
            return PROJECT
        urls = json.dumps([node.url for node in self.nodes])
        return PROJECT.replace("PROOF_URL}}", f"PROOF_URL}}, nodes: {urls}}}")

    @property
    def ports(self) -> list[int]:
        return [node.http_port for node in self.nodes]

    def connect(self) -> Connection:
        return Connection(self.ports)

    def set_up(self) -> None:
        """Apply the first manifest, and write the points that every run begins with."""
        self.states()
        code = self.run("apply", "--auto-approve")
        assert code == 0, self.log[-1]
        connection = self.connect()
        load_points(connection, "products", self.points, self.sharded)
        connection.close()

    def states(self, **changes: Any) -> None:
        """The manifests, with changes of the collection."""
        self.spec |= changes
        lifecycle = {"replace": "blue_green", "replacement": self.settings}
        if not self.settings:
            del lifecycle["replacement"]
        collection = _document("Collection", "products") | {
            "spec": self.spec,
            "lifecycle": lifecycle,
        }
        alias = _document("Alias", ALIAS) | {"spec": {"collection": "products"}}
        text = f"{json.dumps(collection)}\n---\n{json.dumps(alias)}\n"
        (self.folder / "manifests" / "all.yaml").write_text(text)

    def start(self, *words: str, program: str = PROGRAM) -> subprocess.Popen[str]:
        environ = {**os.environ, "PROOF_URL": self.url, "QDRANTCTL_ACTOR": "tester"}
        environ["PYTHONPATH"] = str(ROOT)
        return subprocess.Popen(
            [sys.executable, "-c", program, *words, "-C", str(self.folder)],
            cwd=ROOT,
            env=environ,
            stdout=(self.folder / "output").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, process: subprocess.Popen[str], seconds: float = PATIENCE) -> int:
        """Wait for a command; its exit code."""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"no end: {self.output()}") from None
        self.log.append(f"exit code {code}\n{self.output()}")
        assert "Traceback (most recent call last)" not in self.log[-1], self.log[-1]
        return code

    def run(self, *words: str, program: str = PROGRAM) -> int:
        return self.end(self.start(*words, program=program))

    def output(self) -> str:
        """What the last command has printed until now."""
        return (self.folder / "output").read_text()[-6000:]

    def apply(self) -> subprocess.Popen[str]:
        return self.start("apply", "--auto-approve", "--lease-timeout", "60")

    def applied(self, tries: int = 1) -> None:
        """Apply until it is done; a killed one before may have left its lease."""
        for _ in range(tries):
            if self.end(self.apply()) == 0:
                return
            time.sleep(1)
        raise AssertionError("\n\n".join(self.log[-tries:]))

    def finish(self, tries: int = 1) -> None:
        """Retire the old collection, after a snapshot of it."""
        words = ["replacement", "finish", ADDRESS, "--auto-approve", "--lease-timeout", "60"]
        assert any(self.run(*words) == 0 for _ in range(tries)), self.log[-1]


def _document(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "qdrantctl/v1", "kind": kind, "metadata": {"name": name}}
