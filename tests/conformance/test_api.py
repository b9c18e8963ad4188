"""Every request that a plan of the scenarios holds is one that the claimed version describes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qdrantctl.model.step import Call
from tests.conformance.api import illegal

PLANS = sorted((Path(__file__).parents[1] / "scenarios").rglob("plan*.json"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_scenarios_send_what_the_version_describes(path):
    plan = json.loads(path.read_text())
    steps = [*plan.get("prepare", ()), *(s for change in plan["changes"] for s in change["steps"])]
    calls = [Call(**step["call"]) for step in steps if "call" in step]
    version = path.stem.partition("@")[2] or plan["server"]["version"]
    assert [words for call in calls for words in illegal(call, version)] == []


@pytest.mark.parametrize(
    ("call", "version", "unknown"),
    [
        (Call(method="PUT", path="/collections/a", body={"init_from": {"collection": "b"}}),
         "1.16.3", ["create.init_from in 1.16.3"]),
        (Call(method="PATCH", path="/collections/a", body={"hnsw_config": {"memory": "cold"}}),
         "1.18.3", ["update.hnsw_config.memory in 1.18.3"]),
        (Call(method="PATCH", path="/collections/a", body={"quantization_config": "disabled"}),
         "1.16.3", ['update.quantization_config="disabled" in 1.16.3']),
        (Call(method="DELETE", path="/collections/a/vectors/b"),
         "1.17.1", ["DELETE /collections/{collection_name}/vectors/{vector_name}"]),
        (Call(method="PUT", path="/collections/a/index", query={"timeout": "3"}, body={}),
         "1.16.3", ["PUT /collections/{collection_name}/index?timeout"]),
        (Call(method="PATCH", path="/collections/a", body={"params": {"shard_number": 2}}),
         "1.16.3", ["update.params.shard_number in 1.16.3"]),
    ],
)  # fmt: skip
def test_what_a_version_does_not_describe_is_found(call, version, unknown):
    assert illegal(call, version) == unknown
