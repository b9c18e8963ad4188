"""Servers that take tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.access_keys import READS, Project
from tests.support.servers import Node


@pytest.fixture
def project(token_qdrant: Node, tmp_path) -> Iterator[Project]:
    """A project on that node, which is empty."""
    token_qdrant.wipe()
    yield Project(tmp_path / "shop", token_qdrant)
    token_qdrant.wipe()


@pytest.fixture
def granted(project: Project) -> Project:
    """The key `reader` of products, applied."""
    project.states(reader=READS)
    project.done()
    return project
