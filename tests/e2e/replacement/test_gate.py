"""The gate of a replacement, on real collections: what passes, and each way to fail."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.points.opening import open_point_store
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.replacement.gate import Gate, check_gate, check_points_once
from qdrantctl.flows.replacement.gate_points import GatePoints
from qdrantctl.model.replacement import ReplacementSettings
from tests.support.servers import Node

SIZE, POINTS = 8, 2000
INDEXES = {"brand": {"type": "keyword"}, "price": {"type": "float"}}
OLD = {"vectors": {"a": {"size": SIZE, "distance": "Dot"}}}
NEW = {
    "vectors": {"a": {"size": SIZE, "distance": "Cosine", "datatype": "float16"}},
    "payload_indexes": INDEXES,
}


def points(count: int = POINTS) -> list[dict[str, Any]]:
    numbers = random.Random(16)
    return [
        {
            "id": i,
            "vector": {"a": [numbers.gauss(0, 1) for _ in range(SIZE)]},
            "payload": {"brand": f"b{i % 7}", "price": i / 2},
        }
        for i in range(count)
    ]


@pytest.fixture
def gate(empty_qdrant: Node, tmp_path: Path) -> Callable[..., Gate]:
    """Makes a gate between `old` and `new`, which hold the same points."""
    node = empty_qdrant
    for name, spec in (("old", OLD), ("new", NEW)):
        put(node, name, {"vectors": spec["vectors"]})
        put(node, f"{name}/points?wait=true", {"points": points()})
    for field, index in INDEXES.items():
        body = {"field_name": field, "field_schema": index}
        put(node, "new/index?wait=true", body)
    endpoint = Endpoint(node.url)
    client = RestClient(endpoint)

    def make(
        catch_up: Callable[[], int] | None = None, spec=NEW, keys=(None,), **verify: Any
    ) -> Gate:
        settings = ReplacementSettings(verify={"sample": 200, **verify})
        compared = GatePoints(
            lambda key: (
                open_point_store(endpoint, "old", key, "json"),
                open_point_store(endpoint, "new", key, "json"),
            ),
            spec, "content", settings.verify.sample, keys, patience=0.3,
        )  # fmt: skip
        job = JobContext(client, lambda text: None, lambda: False, wait_timeout=20)
        return Gate(job, settings, spec, "old", "new", compared, tmp_path, os.environ, catch_up)

    return make


def put(node: Node, path: str, body: Any) -> None:
    status, answer = node.request("PUT", f"/collections/{path}", body)
    assert status == 200, answer


def failures(gate: Gate) -> dict[str, str]:
    return {str(check.name): check.text for check in check_gate(gate).failures}


def test_equal_collections_pass_every_check(gate, empty_qdrant):
    script = (
        "import os; print(os.environ['QDRANT_URL'], os.environ['QDRANTCTL_OLD_COLLECTION'], "
        "os.environ['QDRANTCTL_NEW_COLLECTION'], 'api_key=abcdefghijkl')"
    )
    result = check_gate(gate(recall_at_10=0.9, command=[sys.executable, "-c", script]))
    texts = {str(check.name): check.text for check in result.checks}
    assert result.passed, texts
    assert texts["counts"] == "old 2,000, new 2,000"
    assert texts["sample"].endswith("sampled points are equal")
    assert texts["payload_indexes"] == "all 2 are there"
    assert texts["recall_at_10"].startswith(("0.9", "1.0"))
    assert texts["command"].endswith(f"{empty_qdrant.url} old new api_key=(hidden)")


def test_each_failure_states_its_figures(gate, empty_qdrant):
    node = empty_qdrant
    for path, body in (
        ("new/points/delete?wait=true", {"points": [3]}),
        (
            "new/points/payload?wait=true",
            {"payload": {"price": -1}, "points": list(range(4, 1000))},
        ),
    ):
        assert node.request("POST", f"/collections/{path}", body)[0] == 200
    assert node.request("DELETE", "/collections/new/index/brand?wait=true")[0] == 200
    strict = {"strict_mode_config": {"enabled": True, "search_allow_exact": False}}
    asked = gate(recall_at_10=0.9, command=[sys.executable, "-c", "exit(1)"], spec=NEW | strict)
    failed = failures(asked)
    assert failed["counts"] == "old 2,000, new 1,999"
    assert "its payload differs" in failed["sample"]
    assert failed["payload_indexes"] == "the index of brand is missing"
    assert "search_allow_exact is false" in failed["recall_at_10"]
    assert "command" not in failed  # it would only say what is known
    assert not check_points_once(asked).passed


def test_a_vector_that_differs_is_found(gate, empty_qdrant):
    changed = [{"id": p["id"], "vector": {"a": [1.0] * SIZE}} for p in points(1000)]
    put(empty_qdrant, "new/points/vectors?wait=true", {"points": changed})
    assert "its vector 'a' differs" in failures(gate())["sample"]
    assert (
        "exited with code 3: no"
        in failures(gate(sample=0, command=[sys.executable, "-c", "print('no'); exit(3)"]))[
            "command"
        ]
    )


def test_what_writers_change_meanwhile_is_no_difference(gate, empty_qdrant):
    node, passes = empty_qdrant, []

    def catch_up() -> int:
        """A pass: it carries over what was inserted before, while writers go on."""
        for name, number in (("new", len(passes)), ("old", len(passes) + 1)):
            late = {**points(1)[0], "id": POINTS + number}
            put(node, f"{name}/points?wait=true", {"points": [late] if number else points(1)})
        passes.append(1)
        changed = {"payload": {"price": -len(passes)}, "points": list(range(0, POINTS, 2))}
        path = "/collections/old/points/payload?wait=true"
        assert node.request("POST", path, changed)[0] == 200
        return 5

    result = check_gate(gate(catch_up))
    texts = {str(check.name): check.text for check in result.checks}
    assert result.passed, texts
    assert "the last pass found 5 differences" in texts["counts"]
    assert "change all the time" in texts["sample"]
    assert len(passes) == 3


def test_exact_search_that_the_server_forbids_is_said(gate, empty_qdrant):
    body = {"strict_mode_config": {"enabled": True, "max_query_limit": 10}}
    assert empty_qdrant.request("PATCH", "/collections/new", body)[0] == 200
    assert "cannot be measured" in failures(gate(sample=0, recall_at_10=0.9))["recall_at_10"]


def test_indexing_that_goes_on_is_waited_for_and_then_said(gate, empty_qdrant):
    body = {"optimizers_config": {"indexing_threshold": 1, "max_optimization_threads": 0}}
    assert empty_qdrant.request("PATCH", "/collections/new", body)[0] == 200
    put(empty_qdrant, "new/points?wait=true", {"points": points()})
    asked = gate(sample=0)
    failed = failures(replace(asked, job=replace(asked.job, wait_timeout=1)))
    assert "max_optimization_threads is 0" in failed["optimizers"]


def test_each_shard_key_is_counted_and_searched(gate, empty_qdrant):
    node, keys = empty_qdrant, ("de", 7)
    for name, spec in (("old", OLD), ("new", NEW)):
        assert node.request("DELETE", f"/collections/{name}")[0] == 200
        put(node, name, {"vectors": spec["vectors"], "sharding_method": "custom"})
        for key in keys:
            put(node, f"{name}/shards", {"shard_key": key})
            body = {"points": points(100), "shard_key": key}
            put(node, f"{name}/points?wait=true", body)
    spec = {"vectors": NEW["vectors"]}
    texts = {str(c.name): c.text for c in check_gate(gate(None, spec, keys, recall_at_10=1)).checks}
    assert texts["counts"] == "shard key de: old 100, new 100; shard key 7: old 100, new 100"
    assert texts["recall_at_10"].startswith("1.000 by a")
    body = {"points": [1, 2], "shard_key": 7}
    assert node.request("POST", "/collections/new/points/delete?wait=true", body)[0] == 200
    failed = failures(gate(None, spec, keys))
    assert failed["counts"].endswith("shard key 7: old 100, new 98")
