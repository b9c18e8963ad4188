"""The three-way merge of `import --update`: each row of its tables, on data."""

from __future__ import annotations

import pytest

from qdrantctl.engine.importing.merge import ChangedSide, changed_side, merge_live
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import ABSENT, FieldRule
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import IgnoredField, Inventory, Lifecycle, Record, Resource
from tests.support.states import SERVER, TODAY

A = Address("collection", "a")


def merge(desired, live, applied=None, observed=None, lifecycle=None):
    want, have = Resource(A, desired, lifecycle=lifecycle or Lifecycle()), Resource(A, live)
    record = Record("shop/dev", observed=observed)
    applied = [] if applied is None else [Resource(A, applied, record=record)]
    context = Context(SERVER, TODAY, Inventory([want]), Inventory([have]), Inventory(applied))
    return merge_live(want, have, context, COLLECTION, lambda resource: resource.spec)


@pytest.mark.parametrize(
    ("desired", "live", "applied", "observed", "side"),
    [
        (1, 2, 1, 1, ChangedSide.CLUSTER),
        (1, ABSENT, 1, 1, ChangedSide.CLUSTER),
        (2, 1, 1, 1, ChangedSide.MANIFEST),
        (ABSENT, 1, 1, 1, ChangedSide.MANIFEST),
        (2, 1, ABSENT, 1, ChangedSide.MANIFEST),  # it was so after the last apply, too
        (2, 1, ABSENT, None, ChangedSide.MANIFEST),  # never applied, and not known how it was
        (2, 3, 1, 1, ChangedSide.BOTH),
        (2, 3, 1, None, ChangedSide.BOTH),
        (2, 3, ABSENT, ABSENT, ChangedSide.BOTH),
    ],
)
def test_which_side_changed_a_field(desired, live, applied, observed, side):
    assert changed_side(FieldRule(), desired, live, applied, observed) is side


def test_without_a_record_everything_comes_from_the_cluster():
    live = {"hnsw_config": {"m": 4}, "metadata": {"x": 1, "y": 2}}
    merged = merge({"hnsw_config": {"m": 8, "ef_construct": 7}, "metadata": {"x": 5}}, live)
    assert merged.spec == live
    assert (merged.unapplied, merged.conflicts) == ((), ())


def test_each_side_keeps_what_it_changed():
    applied = {"hnsw_config": {"m": 4}, "metadata": {"x": 1, "y": 1}}
    live = {"hnsw_config": {"m": 4}, "metadata": {"x": 2, "y": 1}}
    desired = {"hnsw_config": {"m": 8}, "metadata": {"x": 1, "y": 1}}
    merged = merge(desired, live, applied, applied)
    assert merged.spec == {"hnsw_config": {"m": 8}, "metadata": {"x": 2, "y": 1}}
    assert [field.path for field in merged.unapplied] == [("hnsw_config", "m")]
    assert merged.conflicts == ()


def test_what_both_changed_stays_as_declared_and_is_a_conflict():
    applied = {"metadata": {"x": 1}}
    merged = merge({"metadata": {"x": 3}}, {"metadata": {"x": 2}}, applied, applied)
    assert merged.spec == {"metadata": {"x": 3}}
    assert [(f.path, f.desired, f.live) for f in merged.conflicts] == [(("metadata", "x"), 3, 2)]


def test_a_value_that_is_declared_nowhere_comes_along_once_it_changes():
    applied, live = {"hnsw_config": {"m": 4}}, {"hnsw_config": {"m": 4, "ef_construct": 7}}
    assert merge(applied, live, applied, live).spec == applied
    assert merge(applied, live, applied, applied).spec == live


def test_an_entry_that_is_declared_nowhere_comes_as_a_whole():
    index, other = {"type": "text", "lowercase": True}, {"type": "text", "lowercase": False}
    observed, live = {"payload_indexes": {"a": index}}, {"payload_indexes": {"a": other}}
    assert merge({}, live, {}, observed).spec == live


def test_a_declared_whole_section_gets_no_more_than_what_differs():
    scalar = {"quantization_config": {"scalar": {"type": "int8"}}}
    live = {"quantization_config": {"scalar": {"type": "int8", "quantile": 0.5}}}
    assert merge(scalar, live, scalar, scalar).spec == live
    assert merge({}, live, {}, live).spec == {}


def test_a_section_stays_when_its_last_value_goes():
    declared = {"quantization_config": {"binary": {"always_ram": True}}}
    live = {"quantization_config": {"binary": {}}}
    assert merge(declared, live, declared, declared).spec == live
    declared = {"sparse_vectors": {"s": {"index": {"on_disk": True}}}}
    live = {"sparse_vectors": {"s": {}}}
    assert merge(declared, live, declared, live).spec == live


def test_a_list_with_identity_is_merged_by_its_keys():
    eu, us, asia = ({"key": key, "shards_number": 1} for key in ("eu", "us", "asia"))
    applied = {"shard_keys": [eu, us]}
    merged = merge({"shard_keys": [us, eu]}, {"shard_keys": [asia, eu]}, applied, applied)
    assert merged.spec == {"shard_keys": [eu, asia]}


def test_ignored_fields_stay_as_declared():
    ignore = Lifecycle(ignore=(IgnoredField(("metadata",), "of another team"),))
    live = {"metadata": {"x": 2, "z": 1}, "hnsw_config": {"m": 4}}
    merged = merge({"metadata": {"x": 1}}, live, lifecycle=ignore)
    assert merged.spec == {"metadata": {"x": 1}, "hnsw_config": {"m": 4}}
