"""The comparison of plan documents: every value that changed is named, and its consequences not."""

from __future__ import annotations

from typing import Any

import pytest

from qdrantctl.engine.planning.plan_comparison import changed_values
from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.planning.replacement import NOT_STATED, as_in_format_1_0
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import Origin, Resource
from tests.support.states import VECTOR, desired, live_collection, question, recorded

A = "collection/a"


def field(*path: str | int, live: Any = 16, wanted: Any = 32, **more: Any) -> FieldChange:
    more = {"effect": Effect.UPDATE, "cause": Cause.EDIT, "recorded": 16, **more}
    return FieldChange(path=path, live=live, desired=wanted, **more)


def change(*fields: FieldChange, action: Action = Action.UPDATE, **more: Any) -> Change:
    more = {"cause": Cause.EDIT, "uuid": "one", **more}
    return Change(address=A, action=action, fields=fields, **more)


def changed(before: Change, now: Change | None) -> list[str]:
    return list(changed_values({A: before}, {A: now} if now else {}))


M = field("hnsw_config", "m")


def test_the_same_plan_has_no_changed_values():
    assert changed(change(M), change(M)) == []


@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        (change(M), change(field("hnsw_config", "m", live=24)),
         "collection/a hnsw_config.m: live was 16, is now 24"),
        (change(M), change(field("hnsw_config", "m", recorded=24)),
         "collection/a hnsw_config.m: recorded was 16, is now 24"),
        (change(M), change(field("hnsw_config", "m", live=ABSENT)),
         "collection/a hnsw_config.m: live was 16, is now absent"),
        (change(field("metadata", live={"a": {"b": 1}})),
         change(field("metadata", live={"a": {"b": 2}})),
         "collection/a metadata.a.b: live was 1, is now 2"),
        (change(field("metadata", live=[1, 2])), change(field("metadata", live=[1])),
         "collection/a metadata.1: live was 2, is now absent"),
        (change(field("metadata", live=1)), change(field("metadata", live=True)),
         "collection/a metadata: live was 1, is now true"),
        (change(field("metadata", live={"__a": 1})), change(field("metadata", live={"__a": 2})),
         "collection/a metadata.__a: live was 1, is now 2"),
        (change(M), change(), "collection/a hnsw_config.m: no longer differs"),
        (change(), change(M), "collection/a hnsw_config.m: differs now (16)"),
        (change(M), change(M, uuid="two"), "collection/a: it was deleted and recreated since"),
        (change(M), change(M, schema_version={"recorded": 2}),
         "collection/a: another apply has recorded it since"),
        (change(M), change(M, record={"spec": {"hnsw_config": {"m": 8}}}),
         'collection/a: record was absent, is now {"spec":{"hnsw_config":{"m":8}}}'),
        (change(M), change(field("hnsw_config", "m", effect=Effect.REBUILD)),
         'collection/a hnsw_config.m: effect was "update", is now "rebuild"'),
    ],
)  # fmt: skip
def test_a_value_that_changed_is_named(before, now, line):
    assert changed(before, now) == [line]


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (None, ["collection/a: planned was update, now no change is needed"]),
        (change(M, action=Action.CREATE), ["collection/a: planned was update, now it is create"]),
        (change(M, action=Action.CREATE, uuid=ABSENT),
         ["collection/a: planned was update, now it is create",
          'collection/a: uuid was "one", is now absent']),
    ],
)  # fmt: skip
def test_another_action_is_named(now, lines):
    assert changed(change(M), now) == lines


def test_keys_that_are_spelled_alike_are_told_apart():
    number, word = field("shard_keys", 7), field("shard_keys", "7")
    assert changed(change(number, word), change(number)) == [
        "collection/a shard_keys.7: no longer differs"
    ]


def test_explanations_may_be_worded_otherwise():
    explained = field(
        "hnsw_config", "m", because="so", cause=Cause.BOTH, origin=Origin(file="a.yaml", line=3)
    )
    assert changed(change(M), change(explained, because="so", cause=Cause.BOTH)) == []


def test_what_a_kept_field_asks_for_follows_from_the_record():
    kept = field("hnsw_config", "m", live=48, wanted=64, effect=Effect.KEPT)
    recorded_value = field("hnsw_config", "m", live=48, wanted=32, effect=Effect.KEPT)
    assert changed(change(kept), change(recorded_value)) == []
    other = change(recorded_value, record={"spec": {"hnsw_config": {"m": 32}}})
    assert changed(change(kept), other)


LOST = field("wal_config", "wal_capacity_mb", wanted=ABSENT, because=NOT_STATED)
CALLED_KEPT = field("wal_config", "wal_capacity_mb", wanted=ABSENT, effect=Effect.KEPT)


@pytest.mark.parametrize(
    ("action", "before", "now", "lines"),
    [
        (Action.REPLACE, (M,), (M, LOST), []),
        (Action.REPLACE, (M, CALLED_KEPT), (M, LOST), []),
        (Action.REPLACE, (M, CALLED_KEPT), (M, LOST.model_copy(update={"live": 8})),
         ["collection/a wal_config.wal_capacity_mb: no longer differs"]),
        (Action.REPLACE, (M,), (field("hnsw_config", "m", live=24), LOST),
         ["collection/a hnsw_config.m: live was 16, is now 24"]),
        (Action.UPDATE, (M,), (M, LOST),
         ["collection/a wal_config.wal_capacity_mb: differs now (16)"]),
    ],
)  # fmt: skip
def test_a_plan_of_format_1_0_names_no_losses_of_a_replacement(action, before, now, lines):
    saved = change(*before, action=action)
    assert changed(saved, as_in_format_1_0(change(*now, action=action), saved)) == lines


def update(live: Resource) -> dict[str, Change]:
    """A plan that sets m to 32."""
    asked = question(
        [desired(A, **VECTOR, hnsw_config={"m": 32})],
        [live],
        [recorded(A, **VECTOR, hnsw_config={"m": 16})],
    )
    return {change.address: change for change in plan_changes(asked, BY_NAME)}


def test_values_that_changed_hide_the_requests_that_follow_from_them():
    before = update(live_collection("a", points=0))
    now = update(live_collection("a", points=0, hnsw_config={"m": 32, "on_disk": True}))
    assert set(changed_values(before, now)) == {
        "collection/a: planned was update, now it is adopt",
        "collection/a hnsw_config.m: no longer differs",
    }
