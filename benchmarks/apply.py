"""`qdrantctl apply` of new collections: against the same calls by a bare loop, and far away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.delay_proxy import delay_proxy
from benchmarks.ratio import PYTHON, QDRANTCTL, Duration, Row, compare, run, seconds
from benchmarks.workload import project, server
from tests.support.servers import Node

COUNT = 200
ROUND_TRIP = 0.05
"""Seconds to a far server and back."""
FAR = {20: 3.0, 100: 10.0}
"""Seconds that an apply of so many collections may take there."""
LOOP = """
import http.client, json, sys
from urllib.parse import urlencode
connection = http.client.HTTPConnection(sys.argv[1])
for call in json.load(open("calls.json")):
    query = "?" + urlencode(call["query"]) if call["query"] else ""
    body, headers = json.dumps(call["body"]), {"content-type": "application/json"}
    connection.request(call["method"], call["path"] + query, body, headers)
    response = connection.getresponse()
    response.read()
    assert response.status == 200, call
"""
CALLS = """
import json, subprocess, sys
text = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE).stdout
plan = json.loads(text)
steps = [*plan.get("prepare", ()), *(s for change in plan["changes"] for s in change["steps"])]
json.dump([step["call"] for step in steps], open("calls.json", "w"))
"""
"""Takes the calls from the plan itself."""


def rows(folder: Path) -> Iterator[Row]:
    with server(folder / "server") as node:
        for number, bound in FAR.items():
            yield _far_row(folder / f"far-{number}", node, number, bound)
        project_folder = project(folder / "project", COUNT, node.url)
        run([PYTHON, "-c", CALLS, QDRANTCTL, "plan", "--format", "json"], project_folder)
        count = len(json.loads((project_folder / "calls.json").read_text()))

        def run_and_wipe(command: list[str]) -> Duration:
            duration = run(command, project_folder)
            node.wipe()
            return duration

        yield compare(
            f"`apply` of {COUNT} new collections / its {count} calls by a bare loop",
            0.6,
            lambda: run_and_wipe([QDRANTCTL, "apply", "--auto-approve"]),
            lambda: run_and_wipe([PYTHON, "-c", LOOP, urlsplit(node.url).netloc]),
            repeats=3,
            warm=False,
        )


def _far_row(folder: Path, node: Node, count: int, bound: float) -> Row:
    """An apply through a proxy that delays, ten changes at once against one at a time."""
    with delay_proxy(node.url, ROUND_TRIP) as proxy:
        project_folder = project(folder, count, proxy.url)
        walls, trips = [], []
        for parallelism in ("10", "1"):
            proxy.clear()
            command = [QDRANTCTL, "apply", "--auto-approve", "--parallelism", parallelism]
            walls.append(run(command, project_folder).wall)
            trips.append(f"{proxy.round_trips} round trips")
            node.wipe()
    ten, one = walls
    return Row(
        f"`apply` of {count} new collections, {ROUND_TRIP * 1000:.0f} ms away / one at a time",
        f"{seconds(ten)}, {trips[0]}",
        f"{seconds(one)}, {trips[1]}",
        f"{ten / one:.2f}",
        f"{bound:g} s",
        ten <= bound,
    )
