"""`--prove` tells caps that are enforced from caps that are not, and changes nothing."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from qdrantctl.engine.audit.proof import LimitProbe, judge_proof, make_probes
from qdrantctl.model.audit.report import Proof, Result
from tests.e2e.audit.conftest import answers, held
from tests.support.audit_evidence import collection
from tests.support.servers import Node

READS = {
    "max_query_limit": 10,
    "max_timeout": 5,
    "unindexed_filtering_retrieve": False,
    "search_max_hnsw_ef": 64,
    "search_allow_exact": False,
    "search_max_oversampling": 2.0,
    "filter_max_conditions": 6,
    "condition_max_size": 7,
    "read_rate_limit": 30,
}
WRITES = {
    "upsert_max_batchsize": 5,
    "unindexed_filtering_update": False,
    "write_rate_limit": 50,
    "sparse_config": {"sp": {"max_length": 3}},
}
UNPROVABLE = {
    "max_points_count": 1000,
    "max_payload_index_count": 10,
    "max_collection_vector_size_bytes": 10_000_000,
    "max_collection_payload_size_bytes": 10_000_000,
}
SPARSE = "sparse_config.sp.max_length"
PROVED_BY_WRITES = {
    "upsert_max_batchsize",
    "unindexed_filtering_update",
    "write_rate_limit",
    SPARSE,
}


def made(node: Node, name: str, *, enabled: bool) -> None:
    """A collection with every cap and three points."""
    body: dict[str, Any] = {
        "vectors": {"size": 4, "distance": "Dot"},
        "sparse_vectors": {"sp": {}},
        "shard_number": 1,
    }
    assert node.request("PUT", f"/collections/{name}", body)[0] == 200
    points = [{"id": i, "vector": [i, 1, 1, 1], "payload": {"n": i}} for i in range(3)]
    path = f"/collections/{name}/points?wait=true"
    assert node.request("PUT", path, {"points": points})[0] == 200
    caps = {"enabled": enabled, **READS, **WRITES, **UNPROVABLE}
    assert node.request("PATCH", f"/collections/{name}", {"strict_mode_config": caps})[0] == 200


def results(report: dict[str, Any], name: str) -> dict[str, str]:
    return {
        ".".join(proof["cap"]): proof["result"]
        for proof in report["proofs"]
        if proof["address"] == f"collection/{name}"
    }


@pytest.fixture
def caps(fresh_qdrant, monkeypatch) -> Node:
    """Two collections with the same caps, one of which has `enabled: false`."""
    environ = {"QDRANT__SERVICE__READ_ONLY_API_KEY": "only-reads"}
    node = fresh_qdrant(cluster=False, api_key="may-write", environ=environ)
    made(node, "strict", enabled=True)
    made(node, "loose", enabled=False)
    monkeypatch.setenv("QDRANT_API_KEY", "only-reads")
    return node


def test_a_read_only_key_proves_what_caps_reads(caps, audited):
    before = held(caps)
    report = audited("--url", caps.url, "--prove")
    strict, loose = results(report, "strict"), results(report, "loose")
    assert {cap for cap, result in strict.items() if result == "enforced"} == READS.keys()
    assert {cap for cap, result in loose.items() if result == "not_enforced"} == READS.keys()
    rest = UNPROVABLE.keys() | PROVED_BY_WRITES
    for found in (strict, loose):
        assert {cap for cap, result in found.items() if result == "not_provable"} == rest
    assert answers(report)["QA408"] == "fail pass"
    assert held(caps) == before


def test_with_the_right_to_write_the_rest_is_proved_too(caps, audited, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "may-write")
    before = held(caps)
    report = audited("--url", caps.url, "--prove-writes")
    strict, loose = results(report, "strict"), results(report, "loose")
    assert {cap for cap, result in strict.items() if result == "enforced"} == (
        READS.keys() | PROVED_BY_WRITES
    )
    assert {cap for cap, result in loose.items() if result == "not_enforced"} == (
        READS.keys() | PROVED_BY_WRITES
    )
    for proof in report["proofs"]:
        sent = proof["cap"][0] not in UNPROVABLE
        assert sent is ("request" in proof)
        if proof["address"] == "collection/loose" and proof["result"] == "not_enforced":
            assert "enabled is false" in proof["because"]
    assert held(caps) == before


def test_what_a_key_may_not_send_is_not_provable(caps, audited):
    report = audited("--url", caps.url, "--prove-writes")
    [proof] = [p for p in report["proofs"] if p["cap"] == ["upsert_max_batchsize"]][:1]
    assert proof["result"] == "not_provable"
    assert "403: the key may not send it" in proof["because"]


def test_an_enforced_cap_costs_no_token(caps, audited):
    """All 30 tokens of the read rate limit are there after it, none after 30 more ids."""
    body = {"ids": [str(uuid4()) for _ in range(READS["read_rate_limit"])], "with_payload": False}
    patch = {"strict_mode_config": {"read_rate_limit": READS["read_rate_limit"]}}
    assert caps.request("PATCH", "/collections/strict", patch)[0] == 200
    audited("--url", caps.url, "--prove")
    assert caps.request("POST", "/collections/strict/points", body)[0] == 200
    assert caps.request("POST", "/collections/strict/points", body)[0] == 429


def test_custom_sharding(empty_qdrant, audited):
    node, caps = empty_qdrant, {"enabled": True, "search_max_hnsw_ef": 64, "read_rate_limit": 30}
    body = {"vectors": {"size": 4, "distance": "Dot"}, "sharding_method": "custom"}
    for name in ("none", "some"):
        made = node.request("PUT", f"/collections/{name}", {**body, "strict_mode_config": caps})
        assert made[0] == 200
    assert node.request("PUT", "/collections/some/shards", {"shard_key": "a"})[0] == 200
    report = audited("--url", node.url, "--prove")
    assert set(results(report, "none").values()) == {"not_provable"}
    assert set(results(report, "some").values()) == {"enforced"}


def test_a_limiter_that_ignores_enabled_is_enforced(empty_qdrant, audited):
    """It is made with the collection, or when it is loaded, whatever `enabled` says (1.16.3)."""
    caps = {"enabled": False, "read_rate_limit": 30, "max_timeout": 5}
    body = {"vectors": {"size": 4, "distance": "Dot"}, "strict_mode_config": caps}
    assert empty_qdrant.request("PUT", "/collections/limited", body)[0] == 200
    found = results(audited("--url", empty_qdrant.url, "--prove"), "limited")
    assert found == {"read_rate_limit": "enforced", "max_timeout": "not_enforced"}


class TestRequests:
    def made(self, caps: dict[str, Any], **spec: Any) -> list[LimitProbe | Proof]:
        resource = collection(strict_mode_config={"enabled": True, **caps}, **spec)
        return list(make_probes(resource, "token", writes=True))

    def reason(self, caps: dict[str, Any], **spec: Any) -> str:
        [found] = self.made(caps, **spec)
        assert isinstance(found, Proof)
        return found.because

    def test_what_caps_nothing_is_left_out(self):
        lifted = {"max_query_limit": 2**63 - 1, "search_max_oversampling": 1e300}
        assert self.made({**lifted, "search_allow_exact": True}) == []

    @pytest.mark.parametrize(
        "cap",
        ["filter_max_conditions", "condition_max_size", "read_rate_limit", "write_rate_limit"],
    )
    def test_a_request_that_would_be_very_large_is_not_sent(self, cap):
        assert "very large" in self.reason({cap: 5_000_000})

    def test_nor_one_of_very_many_numbers(self):
        vectors = {"": {"size": 1536, "distance": "Dot"}}
        assert "very large" in self.reason({"upsert_max_batchsize": 5000}, vectors=vectors)

    def test_a_write_limit_on_several_shards_would_cost_tokens(self):
        assert "several shards" in self.reason({"write_rate_limit": 9}, shard_number=2)

    def test_writes_with_custom_sharding_want_a_shard_key(self):
        for caps in WRITES.items():
            if caps[0] != "write_rate_limit":
                custom = {"sharding_method": "custom", "shard_keys": [{"key": "a"}]}
                assert "shard key" in self.reason(dict([caps]), **custom)

    def test_custom_sharding_without_a_shard_has_nothing_that_answers(self):
        """No request is sent."""
        assert "no shard key yet" in self.reason(
            {"search_max_hnsw_ef": 64}, sharding_method="custom"
        )

    def test_a_collection_without_vectors(self):
        assert "no vectors" in self.reason({"upsert_max_batchsize": 5}, vectors={})

    def test_a_cap_on_a_vector_that_is_not_there(self):
        assert "no sparse vector" in self.reason({"sparse_config": {"sp": {"max_length": 3}}})

    def test_a_cap_of_a_newer_server(self):
        assert "no harmless request is known" in self.reason({"search_max_batchsize": 3})

    @pytest.mark.parametrize(
        ("vectors", "vector"),
        [
            ({"": {"size": 2}}, [0.5, 0.5]),
            ({"b": {"size": 1}, "a": {"size": 2}}, {"b": [0.5]}),
            ({"m": {"size": 1, "multivector_config": {"comparator": "max_sim"}}}, {"m": [[0.5]]}),
        ],
    )
    def test_vectors_fit_the_collection(self, vectors, vector):
        [probe] = self.made({"upsert_max_batchsize": 1}, vectors=vectors)
        assert isinstance(probe, LimitProbe)
        assert [point["vector"] for point in probe.call.body["points"]] == [vector] * 2

    def test_another_answer_proves_nothing(self):
        [probe] = self.made({"max_timeout": 3})
        assert isinstance(probe, LimitProbe)
        found = judge_proof(probe, 503, "no quorum", enabled=True)
        assert (found.result, found.because) == (Result.NOT_PROVABLE, "503: no quorum")
        # Refused for another cap: that says nothing of this one.
        other = judge_proof(probe, 400, "Bad request: Filter condition limit reached", enabled=True)
        assert other.result is Result.NOT_PROVABLE
        assert "no answer" in judge_proof(probe, 0, "", enabled=True).because

    def test_the_same_collection_gives_the_same_requests(self):
        first, second = (
            [p.call.model_dump() for p in self.made(READS) if isinstance(p, LimitProbe)]
            for _ in range(2)
        )
        assert json.dumps(first) == json.dumps(second)
