"""Fixtures: real servers, started when a test first asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import Node


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine says about Qdrant, colours and CI must not reach the tests."""
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QDRANTCTL_ENV", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A one-node cluster without a key, shared by all tests of a worker."""
    node = Node(tmp_path_factory.mktemp("qdrant")).start()
    yield node
    node.stop()


@pytest.fixture
def empty_qdrant(qdrant: Node) -> Node:
    """The shared one-node cluster without any collection."""
    qdrant.wipe()
    return qdrant


@pytest.fixture
def fresh_qdrant(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Makes servers of the test's own: `fresh_qdrant(cluster=False, api_key="…", environ={…})`."""
    made: list[Node] = []

    def make(**words: object) -> Node:
        node = Node(tmp_path / f"node{len(made)}", **words)  # type: ignore[arg-type]
        made.append(node)
        return node.start()

    yield make
    for node in made:
        node.stop()


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A cluster of three."""
    folder = tmp_path_factory.mktemp("three")
    first = Node(folder / "0").start()
    nodes = [first]
    nodes += [Node(folder / str(i), bootstrap=first.uri).start() for i in (1, 2)]
    yield nodes
    for node in nodes:
        node.stop()
