"""A project, its applies as processes, and connections that hold one of them at a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.proxy import Proxy, proxied
from tests.support.servers import Node

COLLECTION = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: NAME}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: M}
"""
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: NAME}
spec:
  environments:
    dev: {url: {env: LEASE_URL}}
"""
LASTS, RENEWED = 3, 0.5
"""Seconds of the applies here; where a process stands still, somebody else gets there soon."""
PROGRAM = f"""\
from qdrantctl.adapters.qdrant import lease_lock as holding
holding.LEASE_SECONDS, holding.RENEW_SECONDS = DURATION, {RENEWED}
from qdrantctl.cli.main import main
main()
"""


@dataclass
class Project:
    """A folder with a manifest of one collection."""

    folder: Path
    name: str = "shop"

    def write(self, collection: str = "products", m: int = 16) -> Project:
        (self.folder / "manifests").mkdir(parents=True, exist_ok=True)
        text = COLLECTION.replace("NAME", collection).replace("M}", f"{m}}}")
        (self.folder / "manifests" / "all.yaml").write_text(text)
        (self.folder / "qdrantctl.yaml").write_text(PROJECT.replace("NAME", self.name))
        return self

    def start(
        self, url: str, *words: str, who: str = "ada", lasts: int = LASTS
    ) -> subprocess.Popen[str]:
        """The program in a process of its own, with leases that last a few seconds."""
        program = PROGRAM.replace("DURATION", str(lasts))
        environ = {**os.environ, "LEASE_URL": url, "QDRANTCTL_ACTOR": who}
        environ |= {"QDRANTCTL_RUN_URL": f"https://ci.example/{who}", "QDRANTCTL_COMMIT": "c0ffee"}
        return subprocess.Popen(
            [sys.executable, "-c", program, words[0], "-C", str(self.folder), *words[1:]],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def apply(self, url: str, *words: str, who: str = "bob") -> tuple[int, str]:
        """One apply: its exit code, and everything it said."""
        return ended(self.start(url, "apply", "--auto-approve", *words, who=who))


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in err, err
    return process.returncode, out + err


@dataclass
class Held:
    """A connection that holds a request until it may go on."""

    proxy: Proxy
    arrived: threading.Event
    go: threading.Event

    def there(self) -> None:
        """Until the request is held."""
        assert self.arrived.wait(60), self.proxy.requests

    @property
    def writes(self) -> list[str]:
        """What was asked through it and could change the cluster."""
        reads = ("GET ", "POST /collections/_qdrantctl/points/scroll")
        return [line for line in self.proxy.requests if not line.startswith(reads)]


@contextmanager
def holding(node: Node, beginning: str = "PUT /collections/products") -> Iterator[Held]:
    """A connection to a server that holds the first request that begins like this."""
    arrived, go = threading.Event(), threading.Event()

    def hold(_: int, head: bytes) -> None:
        if head.startswith(beginning.encode()) and not arrived.is_set():
            arrived.set()
            go.wait(120)

    with proxied(node.http_port, hold) as proxy:
        yield Held(proxy, arrived, go)
        go.set()


def collections(node: Node) -> set[str]:
    return {c["name"] for c in node.request("GET", "/collections")[1]["result"]["collections"]}


def leases(node: Node) -> list[str]:
    return sorted(name for name in collections(node) if name.startswith("_qdrantctl_lease"))


def m_of(node: Node, collection: str = "products") -> int:
    found = node.request("GET", f"/collections/{collection}")[1]["result"]
    return int(found["config"]["hnsw_config"]["m"])


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def document(process: subprocess.Popen[str]) -> object:
    code, told = ended(process)
    assert code == 0, told
    return json.loads(told)
