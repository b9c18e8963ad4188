"""Specs as leaves by their paths, and built from them again."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qdrantctl.kinds.catalog import KINDS, OVERLAYS
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.spec import FieldTree, field_tree_of

MORE = os.environ.get("EXAMPLES", "")
COLLECTION_SHAPE = field_tree_of(COLLECTION.spec)
KEYS = st.text(max_size=2) | st.integers(0, 9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


def specs(shape: FieldTree) -> st.SearchStrategy:
    """Any value that a tree of fields allows, sections and maps without entries included."""
    if shape.is_leaf:
        return VALUES
    if shape.entries is None:
        fields = {name: specs(field) for name, field in shape.fields.items()}
        return st.fixed_dictionaries({}, optional=fields)
    if not shape.is_list:
        return st.dictionaries(st.text(max_size=2), specs(shape.entries), max_size=2)
    entries = st.dictionaries(KEYS, specs(shape.entries), max_size=3)
    return entries.map(
        lambda found: [{**entry, shape.rule.key: key} for key, entry in found.items()]
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, *OVERLAYS], ids=lambda kind: kind.name)
@settings(
    max_examples=int(MORE or 40),
    derandomize=not MORE,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_spec_is_built_from_its_leaves(kind, data):
    shape = field_tree_of(kind.spec)
    spec = data.draw(specs(shape))
    leaves = shape.leaves(spec)
    assert shape.build(leaves) == spec
    for path, value in leaves.items():
        assert shape.value_at(spec, path) == value
        assert shape.field_path(path) == path


def test_leaves_stand_under_names_and_keys_in_the_order_of_the_spec():
    spec = {
        "vectors": {"": {"size": 4, "distance": "Dot"}},
        "shard_keys": [{"key": "eu", "shards_number": 2}, {"key": 7}],
        "metadata": {"team": {"name": "search"}, "tags": []},
        "quantization_config": {"binary": {}},
    }
    assert list(COLLECTION_SHAPE.leaves(spec).items()) == [
        (("vectors", "", "size"), 4),
        (("vectors", "", "distance"), "Dot"),
        (("shard_keys", "eu", "key"), "eu"),
        (("shard_keys", "eu", "shards_number"), 2),
        (("shard_keys", 7, "key"), 7),
        (("metadata", "team"), {"name": "search"}),
        (("metadata", "tags"), []),
        (("quantization_config", "binary"), {}),
    ]


def test_an_unknown_field_is_a_leaf():
    """As in the record of a newer version."""
    spec = {"to_come": {"a": 1}, "hnsw_config": {"m": 4, "to_come": [1]}}
    leaves = COLLECTION_SHAPE.leaves(spec)
    assert leaves == {
        ("to_come",): {"a": 1},
        ("hnsw_config", "m"): 4,
        ("hnsw_config", "to_come"): [1],
    }
    assert COLLECTION_SHAPE.build(leaves) == spec


@pytest.mark.parametrize("first", [0, 1])
def test_what_stands_below_an_empty_section_fills_it(first):
    leaves = [(("sparse_vectors", "s"), {}), (("sparse_vectors", "s", "modifier"), "idf")]
    built = COLLECTION_SHAPE.build(dict([leaves[first], leaves[1 - first]]))
    assert built == {"sparse_vectors": {"s": {"modifier": "idf"}}}


def test_nothing_has_no_leaves():
    assert COLLECTION_SHAPE.leaves({}) == {}
    assert COLLECTION_SHAPE.leaves(ABSENT) == {}
    assert COLLECTION_SHAPE.build({}) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("shard_keys", "eu", "shards_number"), 2),
        (("metadata", "team", "names", 1), "b"),
        (("metadata", "team"), {"names": ["a", "b"]}),
        (("metadata", "team", "names", 5), ABSENT),
        (("metadata", "team", "names", "x"), ABSENT),
        (("metadata", "none", "x"), ABSENT),
        (("hnsw_config", "m"), ABSENT),
    ],
)
def test_the_value_at_a_path(path, value):
    spec = {
        "shard_keys": [{"key": "eu", "shards_number": 2}],
        "metadata": {"team": {"names": ["a", "b"]}},
    }
    found = COLLECTION_SHAPE.value_at(spec, path)
    assert found is value if value is ABSENT else found == value


def test_the_field_of_a_path_inside_an_opaque_value():
    assert COLLECTION_SHAPE.field_path(("metadata", "team", "names", 1)) == ("metadata", "team")
