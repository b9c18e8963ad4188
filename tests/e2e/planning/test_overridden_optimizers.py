"""A server whose configuration overrides the optimizers of every collection."""

import pytest

from qdrantctl.model.polling import poll
from tests.support.project import Project, asked

OVERRIDE = {"QDRANT__STORAGE__OPTIMIZERS_OVERWRITE__INDEXING_THRESHOLD_KB": "20"}
SIZE, POINTS = 64, 400
PRODUCTS = {"vectors": {"size": SIZE, "distance": "Dot"}}


@pytest.mark.parametrize("environ", [OVERRIDE, {}], ids=["overridden", "plain"])
def test_a_plan_that_lifts_an_override_says_so(fresh_qdrant, tmp_path, environ):
    node = fresh_qdrant(environ=environ)
    project = Project(tmp_path)
    project.states({"products": PRODUCTS})
    project.done(node)
    points = [{"id": i, "vector": [float(i % 7)] * SIZE} for i in range(1, POINTS + 1)]
    asked(node, "PUT", "/collections/products/points?wait=true", {"points": points})
    if environ:
        assert poll(
            lambda: asked(node, "GET", "/collections/products")["indexed_vectors_count"],
            bool,
            timeout=30,
        )
    project.states({"products": PRODUCTS | {"strict_mode_config": {"max_query_limit": 50}}})
    assert "QC129" not in project.plan(node).out
    project.states({"products": PRODUCTS | {"optimizers_config": {"flush_interval_sec": 7}}})
    assert ("QC129" in project.plan(node).out) is bool(environ)
