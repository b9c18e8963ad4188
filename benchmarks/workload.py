"""The workload of the benchmarks: manifests in files, and a real server with the collections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ratio import QDRANTCTL, run
from tests.support.servers import Node

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {{name: bench}}
spec:
  environments:
    local: {{url: "{url}"{key}}}
"""
API_KEY = {"BENCH_KEY": "a-benchmark-s-key-of-more-than-32-bytes"}
READ_ONLY_KEY = {"BENCH_KEY": "another-key-of-more-than-32-bytes-for-reading"}
"""As environment variables of a command."""
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


def project(folder: Path, count: int, url: str, *, has_key: bool = False) -> Path:
    """A project of that many collections, a file each, every other one with a payload index."""
    (folder / "manifests").mkdir(parents=True)
    write_project_file(folder, url, has_key=has_key)
    for number, name in enumerate(names(count)):
        text = MANIFEST.format(name=name) + (INDEX if number % 2 else "")
        (folder / "manifests" / f"{name}.yaml").write_text(text)
    return folder


def write_project_file(folder: Path, url: str, *, has_key: bool) -> None:
    """The project file, with the URL of its cluster, and with BENCH_KEY as its key."""
    key = ", api_key: {env: BENCH_KEY}" if has_key else ""
    (folder / "qdrantctl.yaml").write_text(PROJECT.format(url=url, key=key))


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
    """A project that was applied to a separate server, and the URL of the server.

    The server wants API_KEY, or READ_ONLY_KEY for reading.
    """
    [read_only] = READ_ONLY_KEY.values()
    environ = {"QDRANT__SERVICE__READ_ONLY_API_KEY": read_only}
    node = Node(folder / f"server-{count}", api_key=API_KEY["BENCH_KEY"], environ=environ).start()
    try:
        project_folder = project(folder / f"project-{count}", count, node.url, has_key=True)
        run([QDRANTCTL, "apply", "--auto-approve"], project_folder, environ=API_KEY)
        yield project_folder, node.url
    finally:
        node.stop()
