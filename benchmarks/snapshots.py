"""Copying a snapshot as `snapshots run` does, with checksum, against curl; and its peak memory."""

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
from benchmarks.workload import server
from tests.support.servers import Node

POINTS, SIZE, BATCH = 200_000, 128, 5_000
FEW = POINTS // 8
REPEATS = 5
COPY = """
import json, sys, time
from pathlib import Path
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.stores.folder import FolderStore
from qdrantctl.flows.snapshots.policies.backup import copy_to_destination
from qdrantctl.flows.snapshots.sets.catalog import Destination
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.snapshots.snapshot_set import SetManifest
manifest = SetManifest.model_validate_json(Path("manifest.json").read_text())
with RestClient(Endpoint(url=sys.argv[1])) as client:
    work = JobContext(client, lambda _: None, lambda: False)
    started = time.perf_counter()
    store = FolderStore(Path("backups").absolute().as_uri())
    copy_to_destination(Destination(store), manifest, {}, work)
    took = time.perf_counter() - started
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([took, int(peak.split()[1]) / 1024]))
"""


def _create_collection(node: Node, name: str, points: int) -> None:
    spec = {"vectors": {"size": SIZE, "distance": "Cosine"}, "shard_number": 1,
            "optimizers_config": {"indexing_threshold": 0}}  # fmt: skip
    node.request("PUT", f"/collections/{name}", spec)
    for start in range(0, points, BATCH):
        noise = os.urandom(SIZE * BATCH)
        batch = [
            {"id": start + i, "vector": list(noise[i * SIZE : (i + 1) * SIZE])}
            for i in range(BATCH)
        ]
        node.request("PUT", f"/collections/{name}/points?wait=true", {"points": batch})


def _take_snapshot(node: Node, name: str, folder: Path) -> str:
    """Take a snapshot, and write the manifest of an unfinished set; the URL of its file."""
    snapshot: dict[str, Any] = node.request("POST", f"/collections/{name}/snapshots")[1]["result"]
    file = {key: snapshot[key] for key in ("name", "size", "checksum")}
    file |= {"peer": "1", "shards": {}}
    record = {"id": "1", "collection": name, "server": "1.16.3", "aliases": [], "spec": {},
             "files": [file]}  # fmt: skip
    timestamp = "2026-01-01T00:00:00Z"
    manifest = {"owner": "a/b", "policy": "c", "id": "1", "scheduled": timestamp,
                "taken": timestamp, "snapshot": record}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return f"{node.url}/collections/{name}/snapshots/{snapshot['name']}"


def _copy_with_qdrantctl(node: Node, folder: Path) -> tuple[float, float]:
    command = [PYTHON, "-c", COPY, node.url]
    result = subprocess.run(command, cwd=folder, env=ENVIRON, check=True, capture_output=True)
    took, peak = json.loads(result.stdout)
    return took, peak


def _copy_with_curl(url: str, folder: Path) -> float:
    started = time.perf_counter()
    header = "accept-encoding: identity"
    command = ["curl", "--silent", "--fail", "-H", header, "--output", "f", url]
    subprocess.run(command, cwd=folder, check=True)
    return time.perf_counter() - started


def rows(folder: Path) -> Iterator[Row]:
    with server(folder / "server") as node:
        _create_collection(node, "few", FEW)
        _take_snapshot(node, "few", folder)
        small = _copy_with_qdrantctl(node, folder)[1]
        _create_collection(node, "many", POINTS)
        url = _take_snapshot(node, "many", folder)
        pairs, peaks = [], []
        for _ in range(REPEATS):
            took, peak = _copy_with_qdrantctl(node, folder)
            pairs.append((took, _copy_with_curl(url, folder)))
            peaks.append(peak)
    ratio = statistics.median(measured / baseline for measured, baseline in pairs)
    measured, baseline = (statistics.median(side) for side in zip(*pairs, strict=True))
    task = f"copying a snapshot of {POINTS:,} x {SIZE}, checked and on the disk / `curl --output`"
    bound = 1 / 0.7
    yield Row(task, seconds(measured), seconds(baseline), f"{ratio:.2f}", f"{bound:.2f} x",
              ratio <= bound)  # fmt: skip
    growth = max(peaks) / small
    yield Row(f"peak memory of that / with {FEW:,} points", f"{max(peaks):.0f} MB",
              f"{small:.0f} MB", f"{growth:.2f}", "1.1 x", growth <= 1.1)  # fmt: skip
