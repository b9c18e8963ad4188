from dataclasses import replace
from datetime import date

import pytest

from qdrantctl.engine import drift
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.drift import DriftKind, KnownDrift
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import IgnoredField, Lifecycle, json_digest
from tests.support.states import (
    VECTOR,
    canonical,
    desired,
    live_alias,
    live_collection,
    question,
    recorded,
)

A = "collection/a"


def applied(live, *, server="1.16.3", observed=True, lifecycle=None, pending=None, uuid="", **spec):
    """A record made when `live` was there."""
    made = recorded(str(live.address), pending=pending, uuid=uuid, **spec)
    seen = live.spec if observed else None
    record = replace(made.record, observed=seen, server=server, when="2026-06-01", who="ada")
    return replace(made, record=record, lifecycle=lifecycle or Lifecycle())


def told(block):
    return {
        moved.address: {field.path: (field.before, field.now) for field in moved.fields}
        or moved.what
        for moved in block
    }


def blocks(asked):
    return tuple(
        told(block(asked, BY_NAME))
        for block in (drift.drifted_resources, drift.unapplied_resources, drift.unmanaged_resources)
    )


@pytest.mark.parametrize(
    "spec",
    [
        VECTOR,
        {**VECTOR, "hnsw_config": {"m": 16}},
        {**VECTOR, "sharding_method": "auto"},
        {**VECTOR, "strict_mode_config": {"max_query_limit": 2**63 - 1}},
        {**VECTOR, "optimizers_config": {"max_optimization_threads": "auto"}},
    ],
)
def test_nothing_moved(spec):
    live = live_collection("a", indexes={"brand": {"type": "keyword"}})
    known = applied(live, **spec)
    assert blocks(question([desired(A, **spec)], [live], [known])) == ({}, {}, {})


def test_a_whole_section_is_stated_by_any_of_it():
    """The server replaces an index as one, so a part that nobody stated is ours, too."""
    spec = {**VECTOR, "payload_indexes": {"t": {"type": "text", "lowercase": False}}}
    before = live_collection("a", indexes=canonical("collection", spec)["payload_indexes"])
    after = live_collection("a", indexes={"t": {"type": "text", "min_token_len": 3}})
    changed, _, unmanaged = blocks(question([], [after], [applied(before, **spec)]))
    assert set(changed[A]) == {
        ("payload_indexes", "t", "lowercase"),
        ("payload_indexes", "t", "min_token_len"),
    }
    assert unmanaged == {}


def test_rate_limits_that_strict_mode_lifted_are_ours():
    spec = {**VECTOR, "strict_mode_config": {"enabled": False}}
    lifted = {"enabled": False, "write_rate_limit": 2**63 - 1}
    before = live_collection("a", strict_mode_config=lifted)
    after = live_collection("a", strict_mode_config=lifted | {"write_rate_limit": 5})
    known = applied(before, **spec)
    assert blocks(question([], [before], [known]))[0::2] == ({}, {})
    changed, _, unmanaged = blocks(question([], [after], [known]))
    assert changed[A] == {("strict_mode_config", "write_rate_limit"): (2**63 - 1, 5)}
    assert unmanaged == {}


def test_fields_of_a_newer_server_are_nobodys_drift():
    before = live_collection("a")
    config = {"prevent_unoptimized": False, "indexing_threshold": 10000}
    after = live_collection("a", optimizer_config=config, metadata={"team": "ads"})
    old = applied(before, server="1.15.0", **VECTOR)
    found = blocks(question([], [after], [old]))[2][A]
    assert ("optimizers_config", "prevent_unoptimized") not in found
    assert found[("metadata", "team")][1] == "ads"
    same = applied(before, **VECTOR)
    found = blocks(question([], [after], [same]))[2][A]
    assert found[("optimizers_config", "prevent_unoptimized")][1] is False


def test_a_record_without_what_was_seen_tells_of_stated_fields_alone():
    live = live_collection("a", hnsw_config={"m": 48})
    known = applied(live, observed=False, **VECTOR, hnsw_config={"m": 32})
    assert blocks(question([], [live], [known]))[0::2] == (
        {A: {("hnsw_config", "m"): (32, 48)}},
        {},
    )


def test_an_open_record_owns_what_its_apply_was_changing_and_nothing_else():
    spec, then = {**VECTOR, "hnsw_config": {"m": 32}}, {**VECTOR, "hnsw_config": {"m": 64}}
    before = live_collection("a", hnsw_config={"m": 32})
    for m, metadata, moved in (
        (32, {}, {}),
        (64, {}, {}),
        (48, {}, {A: {("hnsw_config", "m"): (32, 48)}}),
        (64, {"team": "ads"}, {}),
    ):
        live = live_collection("a", hnsw_config={"m": m}, metadata=metadata)
        known = applied(before, pending={"action": "update", "spec": then}, **spec)
        asked = question([desired(A, **then)], [live], [known])
        unmanaged = {A: {("metadata", "team"): (ABSENT, "ads")}} if metadata else {}
        assert blocks(asked) == (moved, {}, unmanaged)
        (only,) = drift.interrupted_addresses(asked)
        assert only.what is DriftKind.INTERRUPTED


@pytest.mark.parametrize(
    ("action", "moved"),
    [("update", {A: DriftKind.GONE}), ("adopt", {A: DriftKind.GONE}), ("replace", {}),
     ("create", {}), ("delete", {})],
)  # fmt: skip
def test_what_is_gone_after_an_interruption(action, moved):
    known = applied(live_collection("a"), pending={"action": action, "spec": VECTOR}, **VECTOR)
    assert blocks(question([desired(A, **VECTOR)], [], [known])) == (moved, {}, {})


def test_caps_that_an_interrupted_apply_had_lifted_are_its_own():
    spec = {**VECTOR, "strict_mode_config": {"write_rate_limit": 2}}
    pending = {
        "action": "update",
        "spec": spec,
        "passing": [["strict_mode_config", "write_rate_limit"]],
    }
    live = live_collection("a", strict_mode_config={"write_rate_limit": 2**63 - 1})
    asked = question([], [live], [applied(live, pending=pending, **spec)])
    assert blocks(asked)[0::2] == ({}, {})


@pytest.mark.parametrize(("until", "quiet"), [(None, True), ("2026-06-01", True),
                                              ("2026-05-31", False)])  # fmt: skip
def test_ignored_fields(until, quiet):
    day = date.fromisoformat(until) if until else None
    life = Lifecycle(ignore=(IgnoredField(("hnsw_config", "m"), "tuned by a job", day),))
    live = live_collection("a", hnsw_config={"m": 48})
    known = applied(live_collection("a"), lifecycle=life, **VECTOR, hnsw_config={"m": 32})
    assert (blocks(question([], [live], [known]))[0] == {}) is quiet


def test_what_could_not_be_read_is_not_compared():
    spec = {**VECTOR, "payload_indexes": {"brand": "keyword"}}
    before = live_collection("a", indexes={"brand": {"type": "keyword"}})
    live = live_collection("a")
    blind = replace(live, facts=replace(live.facts, unread={"payload_indexes": "a node is down"}))
    known = applied(before, **spec)
    assert blocks(question([], [live], [known]))[0] != {}
    assert blocks(question([], [blind], [known]))[0::2] == ({}, {})


def test_a_recreated_collection():
    live = live_collection("a", uuid="new")
    known = applied(live, uuid="old", **VECTOR)
    assert blocks(question([], [live], [known]))[0] == {A: DriftKind.RECREATED}
    standalone = live_collection("a")
    assert blocks(question([], [standalone], [known]))[0] == {}


def test_the_record_of_the_manifest_that_is_gone():
    live = live_collection("a")
    known = applied(live, **VECTOR)
    assert blocks(question([], [live], [known]))[1] == {A: DriftKind.LEFT}
    assert blocks(question([], [live], [known], partial=True))[1] == {}


def test_only_its_own_lifecycle():
    want = desired(A, Lifecycle(protect=True), **VECTOR)
    live = live_collection("a")
    (moved,) = drift.unapplied_resources(
        question([want], [live], [applied(live, **VECTOR)]), BY_NAME
    )
    assert (moved.because, moved.fields) == ("its lifecycle has changed in the manifest", ())


def test_a_baseline_is_stable_and_marks_what_it_holds():
    before, after = live_collection("a"), live_collection("a", hnsw_config={"m": 48})
    known = [applied(before, **VECTOR, hnsw_config={"m": 16}),
             applied(live_alias("live", "a"), collection="a")]  # fmt: skip
    asked = question([], [after, live_collection("new", uuid="u")], known)
    moved = [*drift.drifted_resources(asked, BY_NAME), *drift.unmanaged_resources(asked, BY_NAME)]
    found = drift.make_baseline("shop/dev", moved)
    assert found == drift.make_baseline("shop/dev", reversed(moved))
    assert all(one.known for one in drift.mark_known(moved, found))
    assert not any(
        one.known for one in drift.mark_known(moved, drift.make_baseline("shop/dev", ()))
    )
    assert KnownDrift(address=A, path=("hnsw_config", "m"), digest=json_digest(48)) in found.known
