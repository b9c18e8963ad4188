"""The workload of the benchmarks: manifests in files, and a real server with the collections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ratio import QDRANTCTL, run
from tests.support.servers import Node

PROJECT_FILE = "qdrantctl.yaml"
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {{name: bench}}
spec:
  environments:
    local: {{url: "{url}"}}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {{name: {name}}}
spec:
  vectors: {{size: 4, distance: Dot}}
  shard_number: 1
  hnsw_config: {{m: 16}}
"""
INDEX = "  payload_indexes: {tag: keyword}\n"


def names(count: int) -> list[str]:
    return [f"c{number:05d}" for number in range(count)]


def project(folder: Path, count: int, url: str) -> Path:
    """A project of that many collections, a file each, every other one with a payload index."""
    (folder / "manifests").mkdir(parents=True)
    (folder / PROJECT_FILE).write_text(PROJECT.format(url=url))
    for number, name in enumerate(names(count)):
        text = MANIFEST.format(name=name) + (INDEX if number % 2 else "")
        (folder / "manifests" / f"{name}.yaml").write_text(text)
    return folder


@contextmanager
def server(folder: Path) -> Iterator[Node]:
    """A cluster of one node, as `url: embedded` and most small installations run."""
    node = Node(folder).start()
    try:
        yield node
    finally:
        node.stop()


@contextmanager
def applied_project(folder: Path, count: int) -> Iterator[tuple[Path, str]]:
    """A project that was applied to a separate server, and the URL of the server."""
    with server(folder / f"server-{count}") as node:
        project_folder = project(folder / f"project-{count}", count, node.url)
        run([QDRANTCTL, "apply", "--auto-approve"], project_folder)
        yield project_folder, node.url
