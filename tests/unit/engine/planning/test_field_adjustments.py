"""What the rule of a single field cannot know, on data."""

import pytest

from qdrantctl.engine.planning.drift_policy import KEPT_AS_IT_IS, keep_drift, unapplied_paths
from qdrantctl.engine.planning.field_adjustments import credit_interrupted_apply, refuse_unreadable
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.change import Cause, FieldChange, worst_effect
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.spec import field_tree_of
from tests.support.states import VECTOR, recorded

SHAPE = field_tree_of(COLLECTION.spec)
M, INDEX = ("hnsw_config", "m"), ("payload_indexes", "a")
SCALAR = ("quantization_config", "scalar")


def field(path, cause=Cause.DRIFT, effect=Effect.UPDATE, **values):
    return FieldChange(path=path, cause=cause, effect=effect, **values)


def test_the_worst_field_decides():
    assert worst_effect([]) is Effect.SAME
    assert worst_effect([field(M), field(INDEX, effect=Effect.REPLACE)]) is Effect.REPLACE


def test_changes_to_what_could_not_be_read_are_refused():
    kept, changed, other = field(INDEX, effect=Effect.KEPT), field(INDEX), field(M)
    found = refuse_unreadable((kept, changed, other), {"payload_indexes": "peer 3"})
    assert found[0] is kept
    assert found[1].effect is Effect.REFUSED
    assert found[1].because == "not known while a node is down (peer 3)"
    assert found[2] is other


@pytest.mark.parametrize(
    ("finished", "pending", "cause", "live", "result"),
    [
        ({}, {"m": 64}, Cause.DRIFT, 64, (ABSENT, Cause.EDIT)),  # only it was to add the field
        ({"m": 32}, {"m": 64}, Cause.DRIFT, 64, (32, Cause.EDIT)),  # it was set before the crash
        ({"m": 32}, {"m": 64}, Cause.BOTH, 64, (32, Cause.EDIT)),
        ({"m": 32}, {"m": 64}, Cause.DRIFT, 8, (32, Cause.DRIFT)),  # another user set it
        ({"m": 32}, {}, Cause.DRIFT, 8, (32, Cause.DRIFT)),
        ({"m": 32}, {"m": 64}, Cause.EDIT, 32, (32, Cause.EDIT)),
    ],
)
def test_what_an_interrupted_apply_has_set_is_an_edit(finished, pending, cause, live, result):
    spec = {**VECTOR, **({"hnsw_config": finished} if finished else {})}
    pending = {"action": "update", "spec": {**VECTOR, "hnsw_config": pending}}
    applied = recorded("collection/a", pending=pending, **spec)
    change = field(M, cause, recorded=finished.get("m", 64), live=live, desired=99)
    (found,) = credit_interrupted_apply(SHAPE, [change], applied)
    assert (found.recorded, found.cause) == result


def test_an_interrupted_apply_is_found_in_lists_with_identity_and_inside_opaque_values():
    before = {"shard_keys": [{"key": "eu", "shards_number": 1}], "metadata": {"o": {"x": 1}}}
    after = {"shard_keys": [{"key": "eu", "shards_number": 2}], "metadata": {"o": {"x": 2}}}
    pending = {"action": "update", "spec": after}
    spec = {**VECTOR, "sharding_method": "custom", **before}
    applied = recorded("collection/a", pending=pending, **spec)
    changes = [
        field(("shard_keys", "eu", "shards_number"), recorded=1, live=2, desired=1),
        field(("metadata", "o", "x"), recorded=1, live=2, desired=1),
    ]
    found = credit_interrupted_apply(SHAPE, changes, applied)
    assert [change.cause for change in found] == [Cause.EDIT, Cause.EDIT]


def test_drift_is_kept_and_edits_are_not():
    edit, drift = field(M, Cause.EDIT), field(INDEX)
    found = keep_drift(SHAPE, [edit, drift])
    assert found[0] is edit
    assert (found[1].effect, found[1].because) == (Effect.KEPT, KEPT_AS_IT_IS)


def test_drift_beside_an_edit_of_the_same_whole_section_is_reverted():
    fields = [field((*SCALAR, "quantile")), field((*SCALAR, "always_ram"), Cause.EDIT)]
    assert keep_drift(SHAPE, fields) == tuple(fields)


def test_nothing_is_kept_where_a_new_collection_is_needed():
    fields = [field(M), field(("vectors", "", "size"), Cause.EDIT, Effect.REPLACE)]
    assert keep_drift(SHAPE, fields) == tuple(fields)


def test_the_record_keeps_its_value_where_both_sides_changed_and_the_drift_is_kept():
    fields = keep_drift(SHAPE, [field(M, Cause.BOTH), field(INDEX, Cause.DRIFT)])
    assert unapplied_paths(SHAPE, fields) == {M}
    assert unapplied_paths(SHAPE, [field(M, Cause.BOTH)]) == frozenset()
