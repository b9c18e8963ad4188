"""The one comparison of a resource, on data."""

from dataclasses import replace

from qdrantctl.engine.planning.compare import (
    applied_spec,
    compare_resource,
    compare_since_apply,
    compare_specs,
    compare_with_record,
    fields_to_create,
)
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.change import Cause
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import IgnoredField, Lifecycle, Origin
from qdrantctl.model.spec_memo import SpecMemo
from tests.support.states import SERVER, TODAY, VECTOR, desired, live_collection, recorded

A = "collection/a"
ON = (COLLECTION, SERVER, TODAY)


def paths(fields):
    return [field.path for field in fields]


def test_differences_are_sorted_into_changes_and_what_a_plan_leaves():
    live = live_collection("a", metadata={"mine": 1, "theirs": 1})
    applied = recorded(A, **VECTOR, metadata={"mine": 1})
    found = compare_resource(desired(A, **VECTOR, metadata={"mine": 2}), live, applied, *ON)
    assert paths(found.fields) == [("metadata", "mine"), ("metadata",)]
    assert paths(found.needed_changes) == [("metadata", "mine")]


def test_a_nested_key_that_begins_with_two_underscores_is_compared():
    live = live_collection("a", metadata={"schema": {"__v": 1, "name": "x"}})
    wanted = desired(A, **VECTOR, metadata={"schema": {"__v": 2, "name": "x"}})
    applied = recorded(A, **VECTOR, metadata={"schema": {"__v": 1, "name": "x"}})
    [field] = compare_resource(wanted, live, applied, *ON).needed_changes
    assert (field.path, field.live, field.desired) == (("metadata", "schema", "__v"), 1, 2)


def test_what_an_interrupted_apply_was_setting_counts_as_set_by_this_owner():
    pending = {"action": "update", "spec": {"metadata": {"x": 1}}}
    applied = recorded(A, pending=pending, **VECTOR, metadata={"y": 1})
    assert applied_spec(applied)["metadata"] == {"x": 1, "y": 1}
    live = live_collection("a", metadata={"x": 1})
    found = compare_resource(desired(A, **VECTOR), live, applied, *ON)
    assert paths(found.needed_changes) == [("metadata", "x")]
    assert applied_spec(None) == {}


def test_without_a_record_every_difference_is_new():
    found = compare_resource(
        desired(A, **VECTOR, metadata={"x": 1}), live_collection("a"), None, *ON
    )
    assert [field.cause for field in found.fields] == [Cause.NEW]


def test_the_lifecycle_says_what_is_left_and_what_is_claimed():
    lifecycle = Lifecycle(
        ignore=(IgnoredField(("hnsw_config", "m"), "bulk loads"),), exclusive=(("metadata",),)
    )
    want = desired(A, lifecycle, **VECTOR, hnsw_config={"m": 64})
    live = live_collection("a", metadata={"theirs": 1})
    found = compare_resource(want, live, recorded(A, **VECTOR), *ON)
    assert paths(found.fields) == [("metadata", "theirs")]


def test_the_desired_spec_is_expanded_with_what_it_implies():
    off = {**VECTOR, "strict_mode_config": {"enabled": False}}
    live = live_collection("a", strict_mode_config={"enabled": False, "write_rate_limit": 5})
    found = compare_resource(desired(A, **off), live, recorded(A, **off), *ON)
    assert found.expanded["strict_mode_config"]["write_rate_limit"] == UNLIMITED
    assert paths(found.needed_changes) == [("strict_mode_config", "write_rate_limit")]


def test_since_the_last_apply_the_record_is_what_is_asked():
    applied = recorded(A, **VECTOR, hnsw_config={"m": 32}, metadata={"x": 1})
    live = live_collection("a", hnsw_config={"m": 64})
    found = compare_since_apply(applied, live, None, *ON)
    assert paths(found.fields) == [("hnsw_config", "m"), ("metadata", "x")]
    left = desired(A, Lifecycle(ignore=(IgnoredField(("metadata",), "of another team"),)), **VECTOR)
    found = compare_since_apply(applied, live, left, *ON)
    assert paths(found.fields) == [("hnsw_config", "m")]


def test_the_manifest_beside_the_record():
    found = compare_with_record(
        desired(A, **VECTOR, metadata={"x": 2}),
        recorded(A, **VECTOR, metadata={"x": 1, "y": 1}),
        *ON,
    )
    assert [(f.path, f.recorded, f.desired) for f in found] == [
        (("metadata", "x"), 1, 2),
        (("metadata", "y"), 1, ABSENT),
    ]


def test_two_specs_differ_wherever_they_differ():
    before, after = {"metadata": {"x": 1}}, {"hnsw_config": {"m": 4}}
    found = compare_specs(before, after, COLLECTION, SERVER)
    assert [(f.path, f.desired, f.live) for f in found] == [
        (("hnsw_config", "m"), ABSENT, 4),
        (("metadata", "x"), 1, ABSENT),
    ]


def test_what_this_server_lacks_is_refused_before_it_is_created():
    want = desired(A, **VECTOR, hnsw_config={"memory": "cold"})
    effects = {f.path: f.effect for f in fields_to_create(want, COLLECTION, SERVER, SpecMemo())}
    assert effects[("hnsw_config", "memory")] is Effect.REFUSED
    assert effects[("vectors", "", "size")] is Effect.UPDATE
    newer = replace(SERVER, version=SERVER.version._replace(minor=99))
    fields = fields_to_create(want, COLLECTION, newer, SpecMemo())
    assert {field.effect for field in fields} == {Effect.UPDATE}


def test_resources_that_share_a_spec_are_compared_once_and_keep_their_own_places():
    want, known = desired(A, **VECTOR, metadata={"mine": 2}), SpecMemo()
    live, applied = live_collection("a", metadata={"mine": 1}), recorded(A, **VECTOR)
    places = {"first.yaml": [], "second.yaml": []}
    for file, found in places.items():
        placed = replace(want, origin=Origin(file=file, line=1))
        found += compare_resource(placed, live, applied, *ON, known).needed_changes
    assert len(known.known) == 1
    [first], [second] = places.values()
    assert (first.origin.file, second.origin.file) == ("first.yaml", "second.yaml")
    assert first.model_copy(update={"origin": second.origin}) == second


def test_resources_that_differ_in_what_they_ignore_are_not_compared_as_one():
    want, known = desired(A, **VECTOR, metadata={"mine": 2}), SpecMemo()
    live, applied = live_collection("a", metadata={"mine": 1}), recorded(A, **VECTOR)
    ignored = Lifecycle(ignore=(IgnoredField(("metadata", "mine"), "tried"),))
    for resource, count in ((want, 1), (replace(want, lifecycle=ignored), 0)):
        found = compare_resource(resource, live, applied, *ON, known)
        assert len(found.needed_changes) == count
