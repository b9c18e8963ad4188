"""What is sent for a change of a live collection, and that the server shows it."""

from __future__ import annotations

import pytest

from tests.conformance.bench import bench, change_of
from tests.conformance.evidence import ask

VECTOR = {"size": 4, "distance": "Dot"}
UNLIMITED = 2**63 - 1


@pytest.fixture
def on(qdrant, tmp_path, request):
    with bench(qdrant, tmp_path, request.node.name) as found:
        yield found
        found.clear("c")


def settle(on, **spec):
    """The calls that brought the collection to a spec, as (method, end of the path, body)."""
    on.state({"kind": "Collection", "name": "c", "spec": spec})
    steps = change_of(on.settle(), "collection/c").steps
    return [(s.call.method, s.call.path.removeprefix("/collections/c"), s.call.body) for s in steps]


def test_only_what_changed_is_sent(on):
    settle(on, vectors={"a": VECTOR, "b": VECTOR}, hnsw_config={"m": 8, "ef_construct": 50},
           metadata={"x": 1, "y": {"z": 1}}, strict_mode_config={"max_timeout": 5},
           payload_indexes={"f": "keyword", "g": "bool"}, replication_factor=1)  # fmt: skip
    sent = settle(on, vectors={"a": VECTOR, "b": {**VECTOR, "hnsw_config": {"m": 4}}},
                  hnsw_config={"m": 9, "ef_construct": 50}, metadata={"x": 1, "y": {"w": 2}},
                  strict_mode_config={"max_timeout": 6}, replication_factor=2,
                  payload_indexes={"f": {"type": "keyword", "is_tenant": True},
                                   "g": "bool"})  # fmt: skip
    patched = {
        "vectors": {"b": {"hnsw_config": {"m": 4}}},
        "hnsw_config": {"m": 9},
        "params": {"replication_factor": 2},
        "metadata": {"y": {"w": 2}},
    }
    index = {"field_name": "f", "field_schema": {"type": "keyword", "is_tenant": True}}
    assert sent == [
        ("PATCH", "", patched),
        ("PUT", "/index", index),
        ("PATCH", "", {"strict_mode_config": {"max_timeout": 6}}),
    ]


def test_what_the_server_replaces_whole_is_sent_whole(on):
    scalar = {"type": "int8", "quantile": 0.9, "always_ram": True}
    settle(on, vectors=VECTOR, quantization_config={"scalar": scalar},
           strict_mode_config={"multivector_config": {"a": {"max_vectors": 1}}})  # fmt: skip
    ask(on.node, "PATCH", "/collections/c", {"strict_mode_config": {"multivector_config": {
        "a": {"max_vectors": 1}, "stranger": {"max_vectors": 7}}}})  # fmt: skip
    sent = settle(on, vectors=VECTOR, quantization_config={"scalar": {**scalar, "quantile": 0.8}},
                  strict_mode_config={"multivector_config": {"b": {"max_vectors": 2}}})  # fmt: skip
    caps = {"stranger": {"max_vectors": 7}, "b": {"max_vectors": 2}}
    assert sent == [
        ("PATCH", "", {"quantization_config": {"scalar": {**scalar, "quantile": 0.8}}}),
        ("PATCH", "", {"strict_mode_config": {"multivector_config": caps}}),
    ]
    config = ask(on.node, "GET", "/collections/c")["config"]
    assert config["strict_mode_config"]["multivector_config"] == caps
    assert config["quantization_config"] == {"scalar": {**scalar, "quantile": 0.8}}


def test_a_dropped_cap_is_written_as_unlimited(on):
    settle(on, vectors=VECTOR, strict_mode_config={
        "max_timeout": 5, "search_allow_exact": False, "search_max_oversampling": 2})  # fmt: skip
    sent = settle(on, vectors=VECTOR)
    lifted = {
        "max_timeout": UNLIMITED,
        "search_allow_exact": True,
        "search_max_oversampling": 1e300,
    }
    assert sent == [("PATCH", "", {"strict_mode_config": lifted})]


@pytest.mark.parametrize("off", [{"enabled": False}, {}])
def test_switched_off_both_rate_limits_are_lifted(on, off):
    rates = {"read_rate_limit": 100, "write_rate_limit": 100}
    settle(on, vectors=VECTOR, strict_mode_config={"enabled": True})
    ask(on.node, "PATCH", "/collections/c", {"strict_mode_config": rates})
    settle(on, vectors=VECTOR, strict_mode_config=off)
    shown = ask(on.node, "GET", "/collections/c")["config"]["strict_mode_config"]
    assert shown == {"enabled": False, **dict.fromkeys(rates, UNLIMITED)}


def test_nothing_is_sent_for_another_spelling(on):
    text = {"type": "text", "stopwords": "english", "tokenizer": "word", "lowercase": True}
    settle(on, vectors=VECTOR, quantization_config={"scalar": {"type": "int8", "quantile": 0.99}},
           payload_indexes={"k": "keyword", "t": text},
           optimizers_config={"deleted_threshold": 0.46648155035933436})  # fmt: skip
    words = {"languages": ["en", "english"], "custom": []}
    sent = settle(
        on,
        vectors={"": {**VECTOR, "datatype": "float32", "hnsw_config": None}},
        quantization={"scalar": {"type": "int8", "quantile": 0.990000001, "always_ram": False}},
        payload_indexes={'"k"': {"type": "keyword", "is_tenant": False},
                         "t": {"type": "text", "stopwords": words}},
        optimizer_config={"deleted_threshold": 0.46648155035933436,
                          "max_optimization_threads": "auto"},
        metadata={},
        hnsw_config=None,
        sharding_method="auto",
    )  # fmt: skip
    assert sent == []
