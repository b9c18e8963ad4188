"""Record what a real server answers, and what the tool plans from it, to tests/recorded.

`python -m tools.record_answers` starts the program that QDRANTCTL_QDRANT_BIN names (PATH and the
pinned package follow), applies `tests/recorded/stated`, and writes `qdrant-VERSION.json`: the
answers to every request of the commands that the test plays back, and to further reads, so that a
later reader of them needs no new recording. The server is ended and its data removed.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.cli import run_cli
from tests.support.recordings import (
    FOLDER,
    Recording,
    Served,
    recorded,
    tell,
    write_projects,
)
from tests.support.servers import Node, server_folder, server_version

READS = ("/telemetry?details_level=2", "/quotas", "/metrics", "/issues", "/aliases")
COLLECTION_READS = ("/optimizations", "/memory", "/cluster", "/aliases", "/snapshots", "/shards")
QUIET_SECONDS = 1.0
"""How long nothing may change before the answers are recorded."""


def record_answers(folder: Path) -> Recording:
    """Start a server below `folder`, fill it, and record it."""
    version = str(server_version())
    node = Node(folder / "node").start()
    try:
        write_projects(folder, version)
        _apply(folder, node)
        _fill(node)
        _wait_until_quiet(node)
        with recorded(node.http_port) as served:
            told = tell(folder, served.url)
            _read_more(node, served)
    finally:
        node.stop()
    today = datetime.now(UTC).date().isoformat()
    return Recording(version, today, _without_repeats(served), told)


def _apply(folder: Path, node: Node) -> None:
    environ = {"RECORDED_URL": node.url, "QDRANTCTL_ACTOR": "recorder"}
    result = run_cli("apply", "--auto-approve", project=folder / "stated", env=environ)
    if result.code:
        raise SystemExit("the stated manifests could not be applied")


def _collections(node: Node) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in node.request("GET", "/collections")[1]["result"]["collections"]:
        name = entry["name"]
        yield name, node.request("GET", f"/collections/{name}")[1]["result"]


def _fill(node: Node) -> None:
    """Three points for each collection of the project, in its first shard key if it has some."""
    for name, shown in _collections(node):
        if name.startswith("_qdrantctl"):
            continue
        params = shown["config"]["params"]
        sizes = params["vectors"]
        if "size" in sizes:
            vector: Any = [1] * sizes["size"]
        else:
            vector = {
                key: [[1] * each["size"]] if each.get("multivector_config") else [1] * each["size"]
                for key, each in sizes.items()
            }
        points = [{"id": n, "vector": vector, "payload": {"rating": n}} for n in range(3)]
        body: dict[str, Any] = {"points": points}
        if params.get("sharding_method") == "custom":
            body["shard_key"] = "eu"
        status, answer = node.request("PUT", f"/collections/{name}/points?wait=true", body)
        if status != 200:
            raise SystemExit(f"{name}: {answer}")


def _wait_until_quiet(node: Node) -> None:
    """Until two looks, some time apart, see the same."""
    before = None
    while before != (before := list(_collections(node))):
        time.sleep(QUIET_SECONDS)


def _read_more(node: Node, served: Served) -> None:
    """Further reads, also those that this version refuses: that is an answer as well."""
    names = [name for name, _ in _collections(node)]
    targets = [f"/collections/{name}{read}" for name in names for read in COLLECTION_READS]
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
    for target in (*READS, *targets):
        connection.request("GET", target)
        connection.getresponse().read()
    connection.close()


def _without_repeats(served: Served) -> list[Any]:
    """The exchanges, without those that repeat the answer before them to the same request."""
    last: dict[tuple[str, str, str], Any] = {}
    kept = []
    for exchange in served.exchanges:
        shown = (exchange.status, _timeless(exchange.answer))
        if last.get(exchange.request) != shown:
            last[exchange.request] = shown
            kept.append(exchange)
    return kept


def _timeless(answer: Any) -> Any:
    return {k: v for k, v in answer.items() if k != "time"} if isinstance(answer, dict) else answer


def main() -> None:
    """Record one version."""
    with server_folder() as folder:
        recording = record_answers(folder)
    file = FOLDER / f"qdrant-{recording.version}.json"
    recording.write(file)
    sys.stdout.write(f"wrote {file}: {len(recording.exchanges)} answers\n")


if __name__ == "__main__":
    main()
