"""A project whose manifests come from a real server."""

from __future__ import annotations

import pytest

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.flows.state.live import read_live
from qdrantctl.model.client import ReadRequest
from qdrantctl.model.resource import Inventory
from tests.support.project import Project


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "shop")


def live(node):
    """Every resource of a server with its whole spec."""
    with RestClient(Endpoint(url=node.url)) as door:
        found = read_live(door, ReadRequest(Inventory(), Inventory()))
        asked = ReadRequest(Inventory(), Inventory(), details=frozenset(found))
        return {str(a): r.spec for a, r in read_live(door, asked).items()}


def rebuilt(project, node, other):
    """What is on both servers, once the manifests were applied to the other, empty one."""
    told = project.run(node, "plan", "--format", "json")
    assert told.code == 0, told.err
    changes = told.document["changes"]
    assert {(c["action"], *c["steps"]) for c in changes} == {("adopt",)}, told.out
    told = project.apply(other)
    assert told.code == 0, told.out + told.err
    return live(node), live(other)
