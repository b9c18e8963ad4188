"""A project with a collection behind an alias, and points in it."""

from __future__ import annotations

import pytest

from tests.e2e.replacement.products import ALIAS, COUNT, DOT, manifest, write
from tests.support.project import Project


@pytest.fixture
def node(empty_qdrant):
    return empty_qdrant


@pytest.fixture
def project(tmp_path, node):
    made = Project(tmp_path)
    made.states({"products": manifest(DOT)}, ALIAS)
    made.done(node)
    write(node, range(COUNT))
    return made
