"""Fixtures: real servers, started when a test first asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qdrantctl.model.server import Version
from tests.support.servers import (
    API_KEY,
    TAKES_TOKENS,
    Node,
    server_folder,
    server_version,
    start_cluster,
)

SERVER_FIXTURES = frozenset({"qdrant", "fresh_qdrant", "token_qdrant", "three_nodes"})
CLUSTER_FIXTURES = frozenset({"three_nodes"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server, or a cluster of three, by the fixtures they use.

    A test that starts a server in another way (`dev up`, a subprocess) is marked by hand; `make
    test-fast` offers no program of Qdrant, so that one that was forgotten fails there.
    """
    for item in items:
        fixtures = frozenset(getattr(item, "fixturenames", ()))
        if fixtures & SERVER_FIXTURES:
            item.add_marker("server")
        if fixtures & CLUSTER_FIXTURES:
            item.add_marker("cluster")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests that do not hold on the server that runs; its version decides, not a name."""
    for word, holds in (("since", Version.__ge__), ("until", Version.__le__)):
        for marker in item.iter_markers(word):
            bound, reason = marker.args
            running = server_version()
            if not holds(running, Version.parse(bound)):
                pytest.skip(f"{word} Qdrant {bound}, and this is {running}: {reason}")


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
    """The shared one-node cluster without any collection or snapshot, and left so."""
    qdrant.wipe()
    for file in (qdrant.folder / "snapshots").rglob("*.snapshot*"):
        file.unlink()  # collections that are gone leave theirs
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


@pytest.fixture(scope="session")
def token_qdrant() -> Iterator[Node]:
    """One node with a key, a read-only key and JWT RBAC, shared by all tests of a worker."""
    with server_folder() as folder:
        node = Node(folder, api_key=API_KEY, environ=dict(TAKES_TOKENS)).start()
        yield node
        node.stop()


@pytest.fixture
def empty_token_qdrant(token_qdrant: Node) -> Iterator[Node]:
    """The shared node that takes tokens, without any collection, and left so."""
    token_qdrant.wipe()
    yield token_qdrant
    token_qdrant.wipe()


@pytest.fixture(scope="module")
def three_nodes(request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    """A cluster of three; a module may give words for its nodes as `NODE_WORDS`."""
    words: dict[str, Any] = getattr(request.module, "NODE_WORDS", {})
    with server_folder() as folder:
        nodes = start_cluster(folder, words)
        yield nodes
        for node in nodes:
            node.stop()
