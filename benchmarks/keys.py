"""Requests whose token is looked up among many keys, against requests with a plain API key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.ratio import ENVIRON, PYTHON, QDRANTCTL, Row, compare, run
from benchmarks.workload import names, project
from qdrantctl.model.access_keys.generation import REGISTRY_COLLECTION, Generation
from tests.support.servers import Node

KEYS, REQUESTS, BATCH = 20_000, 4_000, 1_000
API_KEY = "a-benchmark-s-key-of-more-than-32-bytes"
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: AccessKey
metadata: {name: reader}
spec: {access: r, ttl: 1d, grace: 1h}
"""
LOOP = """
import http.client, os, sys
connection = http.client.HTTPConnection(sys.argv[1])
for _ in range(int(sys.argv[3])):
    connection.request("GET", sys.argv[2], headers={"api-key": os.environ["BENCH_KEY"]})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
"""


def rows(folder: Path) -> Iterator[Row]:
    environ = {"QDRANT__SERVICE__JWT_RBAC": "true"}
    node = Node(folder / "server", api_key=API_KEY, environ=environ).start()
    try:
        token = _issue_token(folder / "project", node)
        _fill_registry(node)
        path = f"/collections/{names(1)[0]}"
        loop = [PYTHON, "-c", LOOP, urlsplit(node.url).netloc, path, str(REQUESTS)]
        yield compare(
            f"{REQUESTS:,} requests, token looked up among {KEYS:,} keys / plain API key",
            2,
            lambda: run(loop, folder, environ={"BENCH_KEY": token}),
            lambda: run(loop, folder, environ={"BENCH_KEY": API_KEY}),
            repeats=11,
        )
    finally:
        node.stop()


def _issue_token(folder: Path, node: Node) -> str:
    """The token of an applied key, as `keys issue` prints it."""
    project_folder = project(folder, 1, node.url, has_key=True)
    (project_folder / "manifests" / "reader.yaml").write_text(MANIFEST)
    key = {"BENCH_KEY": API_KEY}
    run([QDRANTCTL, "apply", "--auto-approve"], project_folder, environ=key)
    command = [QDRANTCTL, "keys", "issue", "reader"]
    result = subprocess.run(
        command, cwd=project_folder, env=ENVIRON | key, capture_output=True, text=True
    )
    return result.stdout.strip()


def _fill_registry(node: Node) -> None:
    """Fill the registry with one generation for each of KEYS keys."""
    path = f"/collections/{REGISTRY_COLLECTION}/points?wait=true"
    for start in range(1, KEYS, BATCH):
        generations = [
            Generation(f"bench/local/k{number}", 1, {"*": "r"}, id=f"id-{number}", live=True)
            for number in range(start, min(start + BATCH, KEYS))
        ]
        points = [{"id": g.point, "vector": {}, "payload": g.document()} for g in generations]
        status, response = node.request("PUT", path, {"points": points})
        assert status == 200, response
