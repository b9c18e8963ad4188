"""Fixtures: real servers, started when a test first asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers import Node, server_folder


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine says about Qdrant, colours and CI must not reach the tests."""
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QDRANTCTL_ENV", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def qdrant() -> Iterator[Node]:
    """A one-node cluster without a key, shared by all tests of a worker."""
    with server_folder() as folder:
        node = Node(folder).start()
        yield node
        node.stop()


@pytest.fixture
def empty_qdrant(qdrant: Node) -> Iterator[Node]:
    """The shared one-node cluster without any collection, and left so."""
    qdrant.wipe()
    yield qdrant
    qdrant.wipe()


@pytest.fixture
def fresh_qdrant() -> Iterator[Callable[..., Node]]:
    """Makes servers of the test's own: `fresh_qdrant(cluster=False, api_key="…", environ={…})`."""
    made: list[Node] = []
    with server_folder() as folder:

        def make(**words: object) -> Node:
            node = Node(folder / f"node{len(made)}", **words)  # type: ignore[arg-type]
            made.append(node)
            return node.start()

        yield make
        for node in made:
            node.stop()


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[list[Node]]:
    """A cluster of three."""
    with server_folder() as folder:
        first = Node(folder / "0").start()
        nodes = [first]
        nodes += [Node(folder / str(i), bootstrap=first.uri).start() for i in (1, 2)]
        yield nodes
        for node in nodes:
            node.stop()
