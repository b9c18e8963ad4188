"""Three empty nodes of one cluster, and a project in a folder of its own."""

import pytest

from tests.support.project import Project, emptied


@pytest.fixture
def nodes(three_nodes):
    for node in three_nodes:
        if node.process.poll() is not None:
            node.start()  # a test that failed half way left it stopped
    emptied(three_nodes)
    return three_nodes


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)
