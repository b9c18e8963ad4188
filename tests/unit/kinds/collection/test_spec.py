import pytest
from pydantic import ValidationError

from qdrantctl.kinds.collection.observe import canonical_collection, parse_live_spec
from qdrantctl.kinds.collection.payload_indexes import canonical_payload_index
from qdrantctl.kinds.collection.payload_paths import reported_field_name
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.field_rule import json_equal
from qdrantctl.model.spec import FieldTree, field_tree_of

VECTOR = {"size": 4, "distance": "Dot"}


def read(**spec):
    return canonical_collection(Collection.model_validate(spec))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"vectors": VECTOR}, {"vectors": {"": VECTOR}}),
        ({"payload_indexes": {"a": "text"}}, {"payload_indexes": {"a": {"type": "text"}}}),
        ({"payload_indexes": {'"a"': "bool"}}, {"payload_indexes": {"a": "bool"}}),
        (
            {"payload_indexes": {"a": {"type": "text", "stopwords": "en"}}},
            {"payload_indexes": {"a": {"type": "text", "stopwords": {"languages": ["english"]}}}},
        ),
        (
            {"payload_indexes": {"a": {"type": "text", "stopwords": {"custom": ["z", "a", "z"]}}}},
            {"payload_indexes": {"a": {"type": "text", "stopwords": {"custom": ["a", "z"]}}}},
        ),
        (
            {"payload_indexes": {"a": {"type": "text", "stopwords": {}, "lowercase": None}}},
            {"payload_indexes": {"a": "text"}},
        ),
        ({"optimizer_config": {"flush_interval_sec": 9}},
         {"optimizers_config": {"flush_interval_sec": 9}}),
        ({"optimizers_config": {"indexing_threshold_kb": 9}},
         {"optimizers_config": {"indexing_threshold": 9}}),
        ({"quantization": {"binary": {}}}, {"quantization_config": {"binary": {}}}),
        ({"hnsw_config": {}, "metadata": {}, "vectors": {}}, {}),
        ({"sharding_method": "custom", "shard_keys": ["b", 7, {"key": "a"}]},
         {"sharding_method": "custom", "shard_keys": [7, "a", "b"]}),
    ],
)  # fmt: skip
def test_spellings_of_one_meaning_are_one_tree(one, other):
    assert read(**one) == read(**other)


def test_seven_and_the_string_seven_are_different_shard_keys():
    keys = read(sharding_method="custom", shard_keys=["7", 7])["shard_keys"]
    assert keys == [{"key": 7}, {"key": "7"}]


@pytest.mark.parametrize(
    "spec",
    [
        {"quantization_config": {}},
        {"quantization_config": {"scalar": {"type": "int8"}, "binary": {}}},
        {"payload_indexes": {"a": {"type": "integer", "lookup": False, "range": False}}},
        {"payload_indexes": {"a b": "keyword"}},
        {"payload_indexes": {"a": "keyword", '"a"': "keyword"}},
        {"payload_indexes": {"a": {"type": "bool", "is_tenant": True}}},
        {"payload_indexes": {"a": {"type": "text", "stemmer": {"type": "snowball"}}}},
        {"payload_indexes": {"a": {"type": "text", "stopwords": "klingon"}}},
        {"vectors": {"a": VECTOR}, "sparse_vectors": {"a": {}}},
        {"vectors": {"x" * 201: VECTOR}},
        {"vectors": {"size": 0, "distance": "Dot"}},
        {"vectors": {"size": 65537, "distance": "Dot"}},
        {"vectors": {"size": 4, "distance": "cosine"}},
        {"vectors": {"size": "4", "distance": "Dot"}},
        {"vectors": {"size": True, "distance": "Dot"}},
        {"wal_config": {"wal_retain_closed": -1}},
        {"wal_config": {"wal_capacity_mb": 0}},
        {"wal_config": {"wal_capacity_mb": 2**20 + 1}},
        {"hnsw_config": {"m": 65536}},
        {"optimizers_config": {"default_segment_number": 1001}},
        {"sharding_method": "custom", "shard_keys": [{"key": "a", "placement": []}]},
        {"hnsw_config": {"ef_construct": 3}},
        {"hnsw_config": {"full_scan_threshold": 9}},
        {"optimizers_config": {"deleted_threshold": 1.1}},
        {"optimizers_config": {"max_segment_size": 0}},
        {"optimizers_config": {"max_optimization_threads": "Auto"}},
        {"strict_mode_config": {"max_query_limit": 0}},
        {"strict_mode_config": {"read_rate_limit": 2**64}},
        {"metadata": {"a": None}},
        {"shard_keys": ["a"]},
        {"sharding_method": "custom", "shard_keys": ["a", "a"]},
        {"sharding_method": "custom", "shard_keys": [-1]},
        {"shard_number": 0},
        {"replication_factor": 0},
        {"init_from": {"collection": "b"}},
    ],
)
def test_what_the_server_refuses_or_drops_is_refused_here(spec):
    with pytest.raises(ValidationError):
        Collection.model_validate(spec)


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        ("a.b[].c", "a.b[].c"),
        ('"a".b', "a.b"),
        ('a."b c"', 'a."b c"'),
        ('"a.b"', '"a.b"'),
        ("a[007]", "a[7]"),
        ("é-1_x", "é-1_x"),
        ('""', '""'),
    ],
)
def test_payload_paths_are_as_the_server_reports_them(path, reported):
    assert reported_field_name(path) == reported


@pytest.mark.parametrize("path", ["", "a b", "$", "a/b", "*", "a[", ".a", "a..b", '"a"b', "[]"])
def test_payload_paths_that_the_server_refuses(path):
    with pytest.raises(ValueError, match=r".*"):
        reported_field_name(path)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0.46648155035933436, 0.4664815503593344, True),
        (5e-324, 0.0, True),
        (0.1, 0.1000001, False),
        (2**63 - 1, 2**63, False),
        (1, 1.0, True),
        ({"a": [1.0, 0.1]}, {"a": [1, 0.1]}, True),
    ],
)
def test_floats_are_the_same_as_their_neighbours(one, other, equal):
    assert json_equal(one, other) is equal


def test_nulls_that_the_server_echoes_are_not_values():
    echoed = {"type": "integer", "lookup": None, "range": None, "is_principal": None}
    assert canonical_payload_index(echoed) == {"type": "integer"}


def test_what_get_reports_becomes_the_manifests_words():
    found = parse_live_spec(
        {
            "params": {"vectors": {"size": 4, "distance": "Dot"}, "shard_number": 1},
            "optimizer_config": {"max_segment_size": None, "flush_interval_sec": 5},
            "quantization_config": None,
            "strict_mode_config": {},
            "metadata": {},
        }
    )
    assert found == {
        "vectors": {"": VECTOR},
        "shard_number": 1,
        "optimizers_config": {"flush_interval_sec": 5},
    }


def test_every_field_has_a_rule_and_a_description():
    def walk(path: str, shape: FieldTree) -> list[str]:
        found = [f"{path}{name}" for name, inner in shape.fields.items() if not inner.description]
        for name, inner in shape.fields.items():
            found += walk(f"{path}{name}.", inner)
        return found + (walk(f"{path}*.", shape.entries) if shape.entries else [])

    assert walk("", field_tree_of(Collection)) == []
