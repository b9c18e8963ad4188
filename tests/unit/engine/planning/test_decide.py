"""What becomes of an existing resource by its worst field: every row of the table."""

from dataclasses import replace

import pytest

from qdrantctl.engine.planning.drift_policy import KEPT_AS_IT_IS
from qdrantctl.engine.planning.ledger_record import RECREATED, new_record, reason_to_rewrite
from qdrantctl.engine.planning.planner import decide_change
from qdrantctl.kinds.access_key.kind import ACCESS_KEY
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.change import Action, Cause, FieldChange
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.resource import Lifecycle
from tests.support.states import VECTOR, desired, live_collection, question, recorded

A = "collection/a"
M = ("hnsw_config", "m")
WANT, LIVE, APPLIED = desired(A, **VECTOR), live_collection("a"), recorded(A, **VECTOR)
PENDING = recorded(A, pending={"action": "update", "spec": {}}, **VECTOR)
STALE = recorded(A, **VECTOR, hnsw_config={"m": 16})


def field(effect, because="why", **values):
    return FieldChange(path=M, effect=effect, cause=Cause.DRIFT, because=because, **values)


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("applied", [None, APPLIED, STALE, PENDING])
def test_the_table(effect, applied):
    fields = (field(Effect.KEPT, "not managed"), field(effect))
    draft = decide_change(fields, WANT, LIVE, applied, frozenset(), question())
    match effect:
        case Effect.REFUSED:
            assert (draft.action, draft.because) == (Action.REFUSED, "hnsw_config.m: why")
            assert draft.fields == fields[1:]
        case Effect.REPLACE:
            assert (draft.action, draft.because) == (Action.REPLACE, "hnsw_config.m: why")
        case Effect.UPDATE | Effect.REBUILD:
            assert draft.action is (Action.UPDATE if applied else Action.ADOPT)
            assert draft.fields == fields
        case _:
            is_noop = applied is APPLIED
            assert draft.action is (Action.NOOP if is_noop else Action.ADOPT)
            assert draft.fields == (fields[:1] if is_noop else ())  # drift names it, too


def test_reasons():
    def because(fields, applied):
        return decide_change(fields, WANT, LIVE, applied, frozenset(), question()).because

    changed = (field(Effect.UPDATE),)
    assert because(changed, None) == "exists already and differs"
    assert because((), None) == "exists already and is as stated"
    assert because(changed, APPLIED) == ""
    assert because(changed, PENDING) == "left incomplete by an interrupted apply"
    assert because((), PENDING) == "finishes an interrupted apply"


def test_kept_drift_is_reported_and_its_parts_stay_as_recorded():
    kept = (field(Effect.KEPT, KEPT_AS_IT_IS),)
    draft = decide_change(kept, WANT, LIVE, APPLIED, frozenset({M}), question())
    assert (draft.action, draft.fields) == (Action.NOOP, kept)
    assert draft.because == f"hnsw_config.m: {KEPT_AS_IT_IS}"
    changed = (*kept, field(Effect.UPDATE))
    draft = decide_change(changed, WANT, LIVE, APPLIED, frozenset({M}), question())
    assert (draft.action, draft.unapplied) == (Action.UPDATE, {M})


@pytest.mark.parametrize(
    ("want", "live", "applied", "versions", "reason"),
    [
        (WANT, LIVE, APPLIED, {}, ""),
        (WANT, LIVE, PENDING, {}, "finishes an interrupted apply"),
        (WANT, LIVE, recorded(A, "old/dev", **VECTOR), {}, "recorded by old/dev, a previous name"),
        (WANT, live_collection("a", uuid="new"), recorded(A, uuid="old", **VECTOR), {}, RECREATED),
        (WANT, LIVE, STALE, {}, "the cluster matches the manifest, the record does not"),
        (
            desired(A, Lifecycle(protect=True), **VECTOR),
            LIVE,
            APPLIED,
            {},
            "the cluster matches the manifest, the record does not",
        ),
        (WANT, LIVE, APPLIED, {WANT.address: 1}, ""),
        (
            WANT,
            LIVE,
            APPLIED,
            {WANT.address: 2},
            "the committed state is at version 2, the record is not",
        ),
    ],
)
def test_why_a_record_is_rewritten(want, live, applied, versions, reason):
    plan_input = question(versions=versions)
    assert reason_to_rewrite(want, live, applied, frozenset(), plan_input) == reason


def test_a_record_from_the_committed_state_is_written_to_the_ledger():
    committed = replace(APPLIED, record=replace(APPLIED.record, committed=True))
    reason = reason_to_rewrite(WANT, LIVE, committed, frozenset(), question())
    assert reason == "it is in the committed state and not in the ledger"


def test_what_the_ledger_will_hold():
    want = desired(A, **VECTOR, hnsw_config={"m": 64}, metadata={"x": 1})
    draft = decide_change((field(Effect.UPDATE),), want, LIVE, STALE, frozenset({M}), question())
    record = new_record(draft, want, STALE, COLLECTION, question())
    assert record["spec"] == {**want.spec, "hnsw_config": {"m": 16}}
    assert (record["owner"], record["address"], record["object"]) == ("shop/dev", A, "a")
    assert record["schema_version"] == 2
    again = new_record(draft, want, STALE, COLLECTION, question(versions={want.address: 7}))
    assert again["schema_version"] == 7


def test_nothing_is_recorded_of_what_is_refused_or_not_desired():
    draft = decide_change((field(Effect.REFUSED),), WANT, LIVE, APPLIED, frozenset(), question())
    assert new_record(draft, WANT, APPLIED, COLLECTION, question()) is None
    draft = decide_change((), WANT, LIVE, APPLIED, frozenset(), question())
    assert new_record(draft, None, APPLIED, COLLECTION, question()) is None


def test_the_record_of_an_access_key_is_addressed_by_its_owner():
    want = desired("access_key/k", access="r", ttl="90d")
    draft = decide_change((), want, want, None, frozenset(), question())
    record = new_record(draft, want, None, ACCESS_KEY, question())
    assert (record["address"], record["object"]) == ("access_key/shop/dev/k", "k")
