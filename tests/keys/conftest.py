"""Servers that take tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.keys.project import KEY, READS, TAKES_TOKENS, Project
from tests.servers import Node, server_folder


@pytest.fixture(scope="session")
def taking_tokens() -> Iterator[Node]:
    """One node with a key, a read-only key and JWT RBAC, shared by all tests of a worker."""
    with server_folder() as folder:
        node = Node(folder, api_key=KEY, environ=dict(TAKES_TOKENS)).start()
        yield node
        node.stop()


@pytest.fixture
def project(taking_tokens: Node, tmp_path) -> Iterator[Project]:
    """A project on that node, which is empty."""
    taking_tokens.wipe()
    yield Project(tmp_path / "shop", taking_tokens)
    taking_tokens.wipe()


@pytest.fixture
def granted(project: Project) -> Project:
    """The key `reader` of products, applied."""
    project.states(reader=READS)
    project.done()
    return project
