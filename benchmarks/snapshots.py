"""Copying a snapshot as `snapshots run` does, checksum and all, against curl; and its memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.ratio import ENVIRON, PYTHON, Row, seconds
from benchmarks.world import server
from tests.support.servers import Node

POINTS, SIZE, BATCH = 200_000, 128, 5_000
FEW = POINTS // 8
REPEATS = 5
COPY = """
import json, sys, time
from pathlib import Path
from qdrantctl.adapters.qdrant.client import Endpoint, RestClient
from qdrantctl.adapters.stores.folder import FolderStore
from qdrantctl.flows.snapshots.policies.backup import copy_to_destination
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.snapshots.snapshot_set import SetManifest
about = SetManifest.model_validate_json(Path("about.json").read_text())
with RestClient(Endpoint(url=sys.argv[1])) as door:
    work = JobContext(door, lambda _: None, lambda: False)
    started = time.perf_counter()
    copy_to_destination(FolderStore(Path("backups").absolute().as_uri()), about, {}, work)
    took = time.perf_counter() - started
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([took, int(peak.split()[1]) / 1024]))
"""


def _filled(node: Node, name: str, points: int) -> None:
    spec = {"vectors": {"size": SIZE, "distance": "Cosine"}, "shard_number": 1,
            "optimizers_config": {"indexing_threshold": 0}}  # fmt: skip
    node.request("PUT", f"/collections/{name}", spec)
    for first in range(0, points, BATCH):
        noise = os.urandom(SIZE * BATCH)
        batch = [
            {"id": first + i, "vector": list(noise[i * SIZE : (i + 1) * SIZE])}
            for i in range(BATCH)
        ]
        node.request("PUT", f"/collections/{name}/points?wait=true", {"points": batch})


def _taken(node: Node, name: str, folder: Path) -> str:
    """Take a snapshot, and write down what a run would have begun; the path of its file."""
    made: dict[str, Any] = node.request("POST", f"/collections/{name}/snapshots")[1]["result"]
    file = {key: made[key] for key in ("name", "size", "checksum")} | {"peer": "1", "shards": {}}
    taken = {"id": "1", "collection": name, "server": "1", "aliases": [], "spec": {},
             "files": [file]}  # fmt: skip
    when = "2026-01-01T00:00:00Z"
    about = {"owner": "a/b", "policy": "c", "id": "1", "scheduled": when, "taken": when,
             "snapshot": taken}  # fmt: skip
    (folder / "about.json").write_text(json.dumps(about))
    return f"{node.url}/collections/{name}/snapshots/{made['name']}"


def _ours(node: Node, folder: Path) -> tuple[float, float]:
    words = [PYTHON, "-c", COPY, node.url]
    done = subprocess.run(words, cwd=folder, env=ENVIRON, check=True, capture_output=True)
    took, peak = json.loads(done.stdout)
    return took, peak


def _curl(url: str, folder: Path) -> float:
    started = time.perf_counter()
    words = ["curl", "--silent", "--fail", "-H", "accept-encoding: identity", "--output", "f", url]
    subprocess.run(words, cwd=folder, check=True)
    return time.perf_counter() - started


def rows(folder: Path) -> Iterator[Row]:
    with server(folder / "server") as node:
        _filled(node, "few", FEW)
        _taken(node, "few", folder)
        small = _ours(node, folder)[1]
        _filled(node, "many", POINTS)
        url = _taken(node, "many", folder)
        pairs, peaks = [], []
        for _ in range(REPEATS):
            took, peak = _ours(node, folder)
            pairs.append((took, _curl(url, folder)))
            peaks.append(peak)
    ratio = statistics.median(mine / other for mine, other in pairs)
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    what = f"copying a snapshot of {POINTS:,} x {SIZE}, checked and on the disk / `curl --output`"
    bound = 1 / 0.7
    yield Row(what, seconds(mine), seconds(other), f"{ratio:.2f}", f"{bound:.2f} x",
              ratio <= bound)  # fmt: skip
    grown = max(peaks) / small
    yield Row(f"peak memory of that / with {FEW:,} points", f"{max(peaks):.0f} MB",
              f"{small:.0f} MB", f"{grown:.2f}", "1.1 x", grown <= 1.1)  # fmt: skip
