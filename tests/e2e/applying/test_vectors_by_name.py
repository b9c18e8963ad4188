"""Vector names that go, and vectors that are made again, on servers that do it safely (1.19)."""

from __future__ import annotations

import pytest

from qdrantctl.model.server import Version
from tests.support.project import Project, asked, config
from tests.support.snapshots import FROM, contents

SMALL = {"size": 2, "distance": "Dot"}
BIG = {"size": 3, "distance": "Cosine"}
TWO = {"vectors": {"t": SMALL, "o": {"size": 4, "distance": "Dot"}}}
DELETE = ("--allow-delete", FROM)


@pytest.fixture
def node(empty_qdrant):
    version = empty_qdrant.request("GET", "/")[1]["version"]
    if Version.parse(version) < Version(1, 19, 0):
        pytest.skip(f"Qdrant {version} drops no vector name safely; 1.19.0 does")
    return empty_qdrant


@pytest.fixture
def project(tmp_path, node):
    made = Project(tmp_path)
    made.states({"products": TWO})
    made.done(node)
    points = [
        {"id": i, "vector": {"t": [i, 1], "o": [i, 1, 0, 1]}, "payload": {"n": i}}
        for i in range(1, 11)
    ]
    asked(node, "PUT", "/collections/products/points?wait=true", {"points": points})
    return made


def without(points, name):
    return [p | {"vector": {k: v for k, v in p["vector"].items() if k != name}} for p in points]


@pytest.mark.parametrize(
    "vectors",
    [
        pytest.param({"o": TWO["vectors"]["o"]}, id="dropped"),
        pytest.param(TWO["vectors"] | {"t": BIG | {"on_disk": True}}, id="made again"),
    ],
)
def test_it_needs_consent_and_can_be_taken_back(project, node, vectors):
    before = contents(node, "products")
    project.states({"products": {"vectors": vectors}})
    told = project.plan(node)
    assert (told.code, told.change(FROM)["action"]) == (3, "update")
    assert "(points: 10)" in told.message("QC208")
    assert "snapshot" in told.change(FROM)["steps"][0]
    assert project.apply(node).code == 3
    assert contents(node, "products") == before
    told = project.done(node, *DELETE)
    assert contents(node, "products") == without(before, "t")
    assert config(node, "products")["params"]["vectors"] == vectors
    assert project.plan(node).code == 0
    command = next(o for o in told.document["outcomes"] if o["address"] == FROM)["way_back"]
    told = project.run(node, *command.split()[1:], "--as", "since", "--auto-approve")
    assert told.code == 0, told.out + told.err
    assert contents(node, "since") == before


def test_points_that_came_since_a_saved_plan(project, node):
    """The vector was empty when the plan was made, so no consent was asked for."""
    asked(node, "POST", "/collections/products/points/delete?wait=true", {"filter": {}})
    project.states({"products": {"vectors": TWO["vectors"] | {"t": BIG}}})
    saved = str(project.folder / "plan.json")
    told = project.plan(node, "--out", saved)
    assert (told.code, told.rules) == (2, set())
    point = {"id": 1, "vector": {"t": [1, 1]}}
    asked(node, "PUT", "/collections/products/points?wait=true", {"points": [point]})
    told = project.run(node, "apply", saved)
    assert told.code != 0, told.out
    assert "points were added since" in told.err
    assert config(node, "products")["params"]["vectors"]["t"] == SMALL
