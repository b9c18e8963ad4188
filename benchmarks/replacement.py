"""Copying and comparing the points of a replacement, against bare loops; and their memory."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson

from benchmarks.point_loops import PAGE, SOURCE, TARGET
from benchmarks.ratio import ENVIRON, PYTHON, Duration, Row, compare
from benchmarks.workload import server
from tests.support.servers import Node

POINTS, SIZE = 100_000, 256
MANY, SMALL = 1_000_000, 64
REPEATS = 5
MOST_MEMORY = 200
ROOT = Path(__file__).parents[1]


def create_collection(node: Node, name: str, size: int) -> None:
    node.request("DELETE", f"/collections/{name}")
    spec = {"vectors": {"size": size, "distance": "Cosine"}, "shard_number": 1,
            "optimizers_config": {"indexing_threshold": 0}}  # fmt: skip
    assert node.request("PUT", f"/collections/{name}", spec)[0] == 200


def fill_source(node: Node, points: int, size: int) -> None:
    create_collection(node, SOURCE, size)
    connection = http.client.HTTPConnection("127.0.0.1", node.http_port)
    random = np.random.default_rng(1)
    for start in range(0, points, PAGE):
        vectors = random.standard_normal((PAGE, size), dtype=np.float32)
        batch = [
            {
                "id": number,
                "vector": vector,
                "payload": {
                    "title": f"product {number}",
                    "price": number * 0.25,
                    "tags": ["a", "b", str(number % 7)],
                    "stock": {"berlin": number % 13, "ulm": number % 5},
                },
            }
            for number, vector in enumerate(vectors, start)
        ]
        body = orjson.dumps({"points": batch}, option=orjson.OPT_SERIALIZE_NUMPY)
        path = f"/collections/{SOURCE}/points?wait=true"
        connection.request("PUT", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200


def run_loop(node: Node, name: str, points: int) -> tuple[float, float]:
    """Seconds and peak memory of one of the processes of `point_loops`."""
    command = [PYTHON, "-m", "benchmarks.point_loops", name, node.url, str(node.grpc_port),
               str(points)]  # fmt: skip
    result = subprocess.run(command, cwd=ROOT, env=ENVIRON, check=True, capture_output=True)
    seconds, peak = json.loads(result.stdout)
    return seconds, peak


def rows(folder: Path) -> Iterator[Row]:
    with server(folder / "server") as node:
        fill_source(node, POINTS, SIZE)

        def copy(name: str) -> Callable[[], Duration]:
            def loop() -> Duration:
                create_collection(node, TARGET, SIZE)
                return Duration(run_loop(node, name, POINTS)[0], 0)

            return loop

        def compare_sides() -> Duration:
            """It reads what the fill before has written."""
            return Duration(run_loop(node, "compare", POINTS)[0], 0)

        task = f"`fill: copy` of {POINTS:,} x {SIZE} with payload"
        yield compare(f"{task} / gRPC bytes passed on, 4 ranges", 1 / 0.9, copy("fill"),
                      copy("bare"), REPEATS)  # fmt: skip
        yield compare(f"{task} / `scroll` and `upload_points` as in qdrant-client's `migrate`",
                      1 / 10, copy("fill"), copy("client"), 3, warm=False)  # fmt: skip
        yield compare(f"{task} / the same over REST", 1, copy("fill"), copy("rest_client"), 3,
                      warm=False)  # fmt: skip
        yield compare(f"a compare pass of both sides / {task}", 1 / 0.8, compare_sides,
                      copy("fill"), REPEATS)  # fmt: skip
    peaks = {}
    for points in (POINTS, MANY):
        with server(folder / f"server-{points}") as node:
            fill_source(node, points, SMALL)
            create_collection(node, TARGET, SMALL)
            peaks[points] = max(run_loop(node, name, points)[1] for name in ("fill", "compare"))
    growth = peaks[MANY] / peaks[POINTS]
    yield Row(f"peak memory of both with {MANY:,} x {SMALL} / with {POINTS:,}",
              f"{peaks[MANY]:.0f} MB", f"{peaks[POINTS]:.0f} MB", f"{growth:.2f}", "1.15 x",
              growth <= 1.15)  # fmt: skip
    yield Row("the larger of the two", f"{max(peaks.values()):.0f} MB", "", "",
              f"{MOST_MEMORY} MB", max(peaks.values()) <= MOST_MEMORY)  # fmt: skip
