"""Real Qdrant servers for tests: on loopback, on free ports, each in a folder of its own."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from qdrantctl.adapters.local_server.binary import find_binary
from qdrantctl.model.server import Version

API_KEY = "canary-api-key-of-more-than-32-bytes-7d1f"
READ_ONLY_KEY = "canary-read-only-key-of-more-than-32-bytes"
TAKES_TOKENS = {
    "QDRANT__SERVICE__JWT_RBAC": "true",
    "QDRANT__SERVICE__READ_ONLY_API_KEY": READ_ONLY_KEY,
}
"""What makes a server with API_KEY also take tokens, and a key that only reads."""

STARTED: list[subprocess.Popen[bytes]] = []


MEMORY = Path("/dev/shm")
"""Where folders live in memory, on Linux. Qdrant waits for the disk on every write, tests do not
need that; what they hold there is small."""
ROOM = 4 * 2**30

JOIN_TRIES = 3


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for servers, in memory where there is room for it; gone afterwards."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    roomy = roomy and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(
        prefix="qdrantctl-", dir=MEMORY if roomy else None, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@cache
def server_version() -> Version:
    """The version of the program that the tests run: QDRANTCTL_QDRANT_BIN, PATH or the package."""
    program = find_binary(download=True)
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return Version.parse(told.stdout.split()[1])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _die_with_parent() -> None:
    """On Linux the server ends when the test runner does, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@atexit.register
def _end_all() -> None:
    for process in STARTED:
        if process.poll() is None:
            process.kill()


@dataclass
class Node:
    """One server."""

    folder: Path
    cluster: bool = True
    environ: dict[str, str] = field(default_factory=dict)
    bootstrap: str = ""
    api_key: str = ""
    scheme: str = "http"
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    p2p_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.http_port}"

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.p2p_port}"

    def start(self) -> Node:
        self.folder.mkdir(parents=True, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT")}
        settings = {
            "QDRANT__SERVICE__HOST": "127.0.0.1",
            "QDRANT__SERVICE__HTTP_PORT": str(self.http_port),
            "QDRANT__SERVICE__GRPC_PORT": str(self.grpc_port),
            "QDRANT__TELEMETRY_DISABLED": "true",
            "QDRANT__LOG_LEVEL": "WARN",
        }
        if self.api_key:
            settings["QDRANT__SERVICE__API_KEY"] = self.api_key
        words = [str(find_binary(download=True))]
        if self.cluster:
            settings["QDRANT__CLUSTER__ENABLED"] = "true"
            settings["QDRANT__CLUSTER__P2P__PORT"] = str(self.p2p_port)
            words += ["--uri", self.uri]
            words += ["--bootstrap", self.bootstrap] if self.bootstrap else []
        self.process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=clean | settings | self.environ,
            stdout=(self.folder / "log").open("ab"),
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        )
        STARTED.append(self.process)
        self.wait()
        return self

    def wait(self) -> None:
        """Until it answers, and in cluster mode until it follows a leader."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            if self.scheme == "https" or self._ready():
                return
            time.sleep(0.05)
        raise RuntimeError(f"no answer: {(self.folder / 'log').read_text()[-2000:]}")

    def _ready(self) -> bool:
        try:
            status, answer = self.request("GET", "/cluster")
        except OSError:
            return False
        raft = (answer.get("result") or {}).get("raft_info") or {} if status == 200 else {}
        return status == 200 and (not self.cluster or raft.get("leader") is not None)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:  # seen once of a standalone server
                self.process.kill()
                self.process.wait(20)

    def request(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """One request by hand, with the server's own key or another: status and parsed answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        if key or self.api_key:
            headers["api-key"] = key or self.api_key
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {"text": text}

    def wipe(self) -> None:
        """Delete every collection."""
        for entry in self.request("GET", "/collections")[1]["result"]["collections"]:
            name = urllib.request.quote(entry["name"], safe="")  # type: ignore[attr-defined]
            status, answer = self.request("DELETE", f"/collections/{name}")
            assert status == 200, answer


def start_cluster(folder: Path, words: dict[str, Any]) -> list[Node]:
    """Three nodes of one cluster; on a busy machine they may need another try.

    A node that joins ends itself when consensus does not admit it within 10 seconds (1.16.3), and
    may be half known to the others then: the next try begins with new nodes.
    """
    for tried in range(JOIN_TRIES):
        home = folder / str(tried)
        first = Node(home / "0", **words)
        nodes = [first] + [Node(home / str(i), bootstrap=first.uri, **words) for i in (1, 2)]
        try:
            for node in nodes:
                node.start()
        except RuntimeError:
            for node in nodes:
                node.stop()
            if tried == JOIN_TRIES - 1:
                raise
        else:
            return nodes
    raise AssertionError("no try was made")
