"""`qdrantctl apply` of new collections, against the same calls by a bare loop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.ratio import PYTHON, QDRANTCTL, Duration, Row, compare, run
from benchmarks.workload import project, server

COUNT = 200
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
        project_folder = project(folder / "project", COUNT, node.url)
        run([PYTHON, "-c", CALLS, QDRANTCTL, "plan", "--format", "json"], project_folder)
        count = len(json.loads((project_folder / "calls.json").read_text()))

        def run_and_wipe(command: list[str]) -> Duration:
            duration = run(command, project_folder)
            node.wipe()
            return duration

        yield compare(
            f"`apply` of {COUNT} new collections / its {count} calls by a bare loop",
            1.5,
            lambda: run_and_wipe([QDRANTCTL, "apply", "--auto-approve"]),
            lambda: run_and_wipe([PYTHON, "-c", LOOP, urlsplit(node.url).netloc]),
            repeats=3,
            warm=False,
        )
