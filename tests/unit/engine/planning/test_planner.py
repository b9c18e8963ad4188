from dataclasses import replace

import pytest

from qdrantctl.engine.planning.inputs import RecordOrigin
from qdrantctl.engine.planning.planner import plan_changes, unmanaged_addresses
from qdrantctl.engine.planning.selection import Selection
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import UsageError
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import IgnoredField, Lifecycle
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import list_calls
from tests.support.states import (
    VECTOR,
    desired,
    live_alias,
    live_collection,
    question,
    recorded,
)


def changes(*args, **more):
    return {change.address: change for change in plan_changes(question(*args, **more), BY_NAME)}


def only(*args, **more):
    found = changes(*args, **more)
    assert len(found) == 1
    return next(iter(found.values()))


def sent(change):
    return [(call.method, call.path, call.body) for call in list_calls(change.steps)]


A = "collection/a"


@pytest.mark.parametrize(
    ("want", "live", "known", "action"),
    [
        (VECTOR, None, None, Action.CREATE),
        (VECTOR, None, VECTOR, Action.CREATE),
        (VECTOR, {}, None, Action.ADOPT),
        (VECTOR, {}, VECTOR, Action.NOOP),
        ({**VECTOR, "hnsw_config": {"m": 32}}, {}, VECTOR, Action.UPDATE),
        ({**VECTOR, "hnsw_config": {"m": 32}}, {}, None, Action.ADOPT),
        ({"vectors": {"size": 8, "distance": "Dot"}}, {}, VECTOR, Action.REPLACE),
        ({**VECTOR, "hnsw_config": {"memory": "cold"}}, {}, VECTOR, Action.REFUSED),
        (VECTOR, {}, {**VECTOR, "hnsw_config": {"m": 16}}, Action.ADOPT),
        (None, {}, VECTOR, Action.DELETE),
        (None, None, VECTOR, Action.FORGET),
    ],
)
def test_the_planners_table(want, live, known, action):
    found = only(
        [desired(A, **want)] if want else [],
        [live_collection("a", **live)] if live is not None else [],
        [recorded(A, **known)] if known else [],
    )
    assert found.action is action


def test_what_nobody_states_or_records_is_not_ours():
    asked = question([], [live_collection("a")], [])
    assert plan_changes(asked, BY_NAME) == ()
    assert unmanaged_addresses(asked) == (A,)


def test_what_another_owner_recorded_is_refused_and_not_unmanaged():
    asked = question([desired(A, **VECTOR)], [live_collection("a")], [recorded(A, "x/y", **VECTOR)])
    (change,) = plan_changes(asked, BY_NAME)
    assert change.action is Action.REFUSED
    assert change.because == (
        "owned by x/y. Give it another name here; or, if this cluster is a copy of that owner's, "
        "adopt the records of x/y here with --adopt-cloned x/y"
    )
    assert change.steps == ()
    assert unmanaged_addresses(asked) == ()


@pytest.mark.parametrize("origin", RecordOrigin)
def test_only_the_owner_of_this_very_cluster_is_asked_to_release(origin):
    recorded_there = recorded(A, "x/y", **VECTOR)
    asked = question(
        [desired(A, **VECTOR)], [live_collection("a")], [recorded_there], origins={"x/y": origin}
    )
    (change,) = plan_changes(asked, BY_NAME)
    assert ("under removed" in change.because) is (origin is RecordOrigin.HERE)
    assert "--adopt-cloned x/y" in change.because


def test_records_of_a_previous_name_are_ours_and_rewritten():
    found = only(
        [desired(A, **VECTOR)],
        [live_collection("a")],
        [recorded(A, "store/dev", **VECTOR)],
        previous_owners=frozenset({"store/dev"}),
    )
    assert found.action is Action.ADOPT
    assert found.steps == ()
    assert found.record["owner"] == "shop/dev"


def test_a_partial_world_deletes_and_forgets_nothing():
    known = [recorded(A, **VECTOR), recorded("collection/b", **VECTOR)]
    assert changes([], [live_collection("a")], known, partial=True) == {}


def test_removed_resources_are_forgotten_and_stay():
    found = only([], [live_collection("a")], [recorded(A, **VECTOR)],
                 removed=frozenset({Address.parse(A)}))  # fmt: skip
    assert found.action is Action.FORGET
    assert found.steps == ()


def test_only_what_changed_is_sent():
    want = desired(A, **VECTOR, hnsw_config={"m": 32}, replication_factor=2, metadata={"k": 1})
    found = only([want], [live_collection("a")], [recorded(A, **VECTOR)])
    assert sent(found) == [
        ("PATCH", "/collections/a",
         {"hnsw_config": {"m": 32}, "params": {"replication_factor": 2}, "metadata": {"k": 1}}),
    ]  # fmt: skip


def test_quantization_is_sent_whole_and_dropped_by_its_word():
    had = {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}}
    live = live_collection("a", quantization_config=had)
    want = {"scalar": {"type": "int8", "quantile": 0.95, "always_ram": True}}
    found = only([desired(A, **VECTOR, quantization_config=want)], [live],
                 [recorded(A, **VECTOR, quantization_config=had)])  # fmt: skip
    assert [f.path for f in found.fields] == [("quantization_config", "scalar", "quantile")]
    assert sent(found)[0][2] == {"quantization_config": want}
    gone = only([desired(A, **VECTOR)], [live], [recorded(A, **VECTOR, quantization_config=had)])
    assert gone.fields[0].effect is Effect.REBUILD
    assert sent(gone)[0][2] == {"quantization_config": "Disabled"}


def test_another_kind_of_quantization_displaces_one_that_nobody_recorded():
    live = live_collection("a", quantization_config={"scalar": {"type": "int8"}})
    want = desired(A, **VECTOR, quantization_config={"binary": {}})
    found = only([want], [live], [recorded(A, **VECTOR)])
    assert sent(found)[0][2] == {"quantization_config": {"binary": {}}}


def test_a_dropped_cap_is_written_as_unlimited_and_then_nothing_is_left():
    caps = {"enabled": True, "max_query_limit": 100}
    live = live_collection("a", strict_mode_config=caps)
    want = desired(A, **VECTOR, strict_mode_config={"enabled": True})
    found = only([want], [live], [recorded(A, **VECTOR, strict_mode_config=caps)])
    assert sent(found)[0][2] == {"strict_mode_config": {"max_query_limit": 2**63 - 1}}
    assert "cannot unset" in found.fields[0].because
    lifted = live_collection(
        "a", strict_mode_config={"enabled": True, "max_query_limit": 2**63 - 1}
    )
    now = recorded(A, **VECTOR, strict_mode_config={"enabled": True})
    assert only([want], [lifted], [now]).action is Action.NOOP


def test_strict_mode_off_also_lifts_the_rate_limits():
    caps = {"enabled": True, "write_rate_limit": 100, "max_timeout": 5}
    live = live_collection("a", strict_mode_config=caps)
    want = desired(A, **VECTOR, strict_mode_config={"enabled": False})
    found = only([want], [live], [recorded(A, **VECTOR, strict_mode_config={"enabled": True})])
    assert sent(found)[0][2] == {
        "strict_mode_config": {"enabled": False, "write_rate_limit": 2**63 - 1}
    }


def test_a_changed_index_at_the_cap_gets_room_and_the_cap_back():
    caps = {"enabled": True, "max_payload_index_count": 1}
    live = live_collection("a", strict_mode_config=caps, indexes={"t": {"type": "keyword"}})
    spec = {**VECTOR, "strict_mode_config": caps}
    want = desired(A, **spec, payload_indexes={"t": "text"})
    known = recorded(A, **spec, payload_indexes={"t": "keyword"})
    found = only([want], [live], [known])
    assert [(m, p, (b or {}).get("strict_mode_config")) for m, p, b in sent(found)] == [
        ("PATCH", "/collections/a", {"max_payload_index_count": 2}),
        ("PUT", "/collections/a/index", None),
        ("PATCH", "/collections/a", {"max_payload_index_count": 1}),
    ]


def test_strangers_in_maps_are_told_and_left_alone_unless_claimed():
    live = live_collection("a", indexes={"x": {"type": "keyword"}, "y": {"type": "bool"}})
    spec = {**VECTOR, "payload_indexes": {"x": "keyword"}}
    known = recorded(A, **spec)
    assert only([desired(A, **spec)], [live], [known]).action is Action.NOOP
    claimed = Lifecycle(exclusive=(("payload_indexes",),))
    found = only([desired(A, claimed, **spec)], [live], [known])
    assert sent(found) == [("DELETE", "/collections/a/index/y", ABSENT)]


def test_a_key_that_was_ours_is_removed():
    live = live_collection("a", indexes={"x": {"type": "keyword"}, "y": {"type": "bool"}})
    known = recorded(A, **VECTOR, payload_indexes={"y": "bool"})
    found = only([desired(A, **VECTOR)], [live], [known])
    assert sent(found) == [("DELETE", "/collections/a/index/y", ABSENT)]


def test_metadata_goes_key_by_key_and_nested_values_are_told_apart():
    live = live_collection("a", metadata={"o": {"x": 1, "y": 2}, "mine": 1, "theirs": 1})
    known = recorded(A, **VECTOR, metadata={"o": {"x": 1, "y": 2}, "mine": 1})
    found = only([desired(A, **VECTOR, metadata={"o": {"x": 5}})], [live], [known])
    paths = {f.path: f.effect for f in found.fields}
    assert paths == {
        ("metadata", "mine"): Effect.UPDATE,
        ("metadata", "o", "x"): Effect.UPDATE,
        ("metadata", "o", "y"): Effect.UPDATE,
        ("metadata",): Effect.KEPT,
    }
    assert sent(found)[0][2] == {"metadata": {"mine": None, "o": {"x": 5}}}


def test_causes_tell_who_moved():
    spec = {**VECTOR, "hnsw_config": {"m": 32}}
    drifted = live_collection("a", hnsw_config={"m": 64})
    assert only([desired(A, **spec)], [drifted], [recorded(A, **spec)]).cause is Cause.DRIFT
    edited = only([desired(A, **spec)], [live_collection("a")], [recorded(A, **VECTOR)])
    assert edited.cause is Cause.EDIT
    old = recorded(A, **VECTOR, hnsw_config={"m": 8})
    assert only([desired(A, **spec)], [drifted], [old]).cause is Cause.BOTH


def test_ignored_fields_are_left_alone_and_keep_their_recorded_value():
    ignored = Lifecycle(ignore=(IgnoredField(("hnsw_config", "m"), "bulk loads"),))
    want = desired(A, ignored, **VECTOR, hnsw_config={"m": 64})
    known = recorded(A, **VECTOR, hnsw_config={"m": 32})
    found = only([want], [live_collection("a")], [known])
    assert found.action is Action.ADOPT
    assert found.steps == ()
    assert found.record["spec"]["hnsw_config"] == {"m": 32}


def test_vector_names_come_in_place_from_1_18():
    server = Server(Version(1, 18, 0), "http://localhost", distributed=True)
    want = {"vectors": {"a": VECTOR["vectors"], "b": {**VECTOR["vectors"], "on_disk": True}}}
    live = live_collection("a", params={"vectors": {"a": VECTOR["vectors"]}})
    known = recorded(A, vectors={"a": VECTOR["vectors"]})
    old = only([desired(A, **want)], [live], [known])
    assert old.action is Action.REPLACE
    new = only([desired(A, **want)], [live], [known], server=server)
    assert new.action is Action.UPDATE
    assert sent(new) == [
        ("PUT", "/collections/a/vectors/b", {"dense": {"size": 4, "distance": "Dot"}}),
        ("PATCH", "/collections/a", {"vectors": {"b": {"on_disk": True}}}),
    ]
    queries = [call.query for call in list_calls(new.steps)]
    assert queries == [{"wait": "true", "timeout": "20"}, {}]


@pytest.mark.parametrize(
    ("version", "strict", "query"),
    [
        ((1, 16, 3), {}, {"wait": "true"}),
        ((1, 17, 0), {}, {"wait": "true", "timeout": "20"}),
        ((1, 19, 0), {"enabled": True, "max_timeout": 5}, {"wait": "true", "timeout": "5"}),
        ((1, 19, 0), {"enabled": False, "max_timeout": 5}, {"wait": "true", "timeout": "20"}),
    ],
)
def test_an_index_waits_as_long_as_the_server_and_its_caps_allow(version, strict, query):
    server = Server(Version(*version), "http://localhost")
    live = live_collection("a", strict_mode_config=strict)
    want = desired(A, **VECTOR, payload_indexes={"k": "keyword"})
    known = recorded(A, **VECTOR)
    changed = only([want], [live], [known], server=server)
    assert [call.query for call in list_calls(changed.steps)] == [query]
    created = only([want], [], [], server=server)
    assert [call.query for call in list_calls(created.steps)] == [{}, {"wait": "true"}]


SPARSE = {"modifier": "idf", "index": {"datatype": "float16"}}


@pytest.mark.parametrize(("index", "patched"), [({}, []), ({"on_disk": True}, ["PATCH"])])
def test_what_a_request_for_a_vector_name_drops_is_set_by_the_next(index, patched):
    server = Server(Version(1, 19, 0), "http://localhost", distributed=True)
    sparse = {**SPARSE, "index": {**SPARSE["index"], **index}}
    live, known = live_collection("a", params=VECTOR), recorded(A, **VECTOR)
    found = only([desired(A, **VECTOR, sparse_vectors={"s": sparse})], [live], [known],
                 server=server)  # fmt: skip
    creation, *rest = sent(found)
    body = {"sparse": {"modifier": "idf", "datatype": "float16"}}
    assert creation == ("PUT", "/collections/a/vectors/s", body)
    assert [method for method, *_ in rest] == patched
    if rest:
        assert rest[0][2] == {"sparse_vectors": {"s": {"index": sparse["index"]}}}


def test_a_vector_name_costs_three_writes_of_the_rate_limit():
    """Lifted before, as for an index, and stated again at the end."""
    server = Server(Version(1, 19, 0), "http://localhost", distributed=True)
    strict = {"enabled": True, "write_rate_limit": 5, "max_payload_index_count": 1}
    params = {"vectors": {"a": VECTOR["vectors"]}}
    live = live_collection("a", params=params, strict_mode_config=strict)
    want = {"vectors": dict.fromkeys("abc", VECTOR["vectors"]), "strict_mode_config": strict}
    known = recorded(A, **params, strict_mode_config=strict)
    found = only([desired(A, **want)], [live], [known], server=server)
    bodies = [body for method, _, body in sent(found) if method == "PATCH"]
    assert bodies == [
        {"strict_mode_config": {"write_rate_limit": UNLIMITED}},
        {"strict_mode_config": {"write_rate_limit": 5}},
    ]
    assert [method for method, *_ in sent(found)] == ["PATCH", "PUT", "PUT", "PATCH"]


def test_a_replaced_collection_gets_every_live_alias_back():
    live = [live_collection("a", aliases=("one", "two")), live_alias("one", "a"),
            live_alias("two", "a")]  # fmt: skip
    want = desired(A, vectors={"size": 8, "distance": "Dot"})
    found = only([want], live, [recorded(A, **VECTOR)])
    assert [method for method, *_ in sent(found)] == ["DELETE", "PUT", "POST"]
    names = [action["create_alias"]["alias_name"] for action in sent(found)[2][2]["actions"]]
    assert names == ["one", "two"]


def test_an_alias_that_stands_as_stated_is_adopted_without_a_step():
    live = [live_collection("a"), live_alias("z", "a")]
    found = changes([desired("alias/z", collection="a")], live)["alias/z"]
    assert (found.action, found.fields, found.steps) == (Action.ADOPT, (), ())


def test_a_replacement_that_died_before_its_aliases_is_finished_with_them():
    want = desired(A, **VECTOR)
    pending = {"action": "replace", "spec": want.spec, "aliases": ["one"]}
    change = only([want], [live_collection("a")], [recorded(A, pending=pending, **VECTOR)])
    assert change.action is Action.ADOPT
    action = {"create_alias": {"alias_name": "one", "collection_name": "a"}}
    assert sent(change) == [("POST", "/collections/aliases", {"actions": [action]})]


def test_collections_come_before_their_aliases_and_go_after_them():
    made = list(changes([desired("alias/z", collection="a"), desired(A, **VECTOR)]))
    assert made == [A, "alias/z"]
    gone = list(
        changes(
            [],
            [live_collection("a"), live_alias("z", "a")],
            [recorded(A, **VECTOR), recorded("alias/z", collection="a")],
        )
    )
    assert gone == ["alias/z", A]


def test_a_delete_that_frees_a_name_goes_first():
    found = changes(
        [desired("collection/x", **VECTOR), desired(A, **VECTOR, metadata={"k": 1})],
        [live_collection("a"), live_alias("x", "a")],
        [recorded(A, **VECTOR), recorded("alias/x", collection="a")],
    )
    assert list(found) == ["collection/a", "alias/x", "collection/x"]


def test_a_taken_name_is_refused():
    found = only([desired("collection/x", **VECTOR)], [live_alias("x", "a")])
    assert found.action is Action.REFUSED
    assert "alias/x" in found.because


def test_a_rename_is_one_refused_change():
    args = ([desired("collection/b", **VECTOR)], [live_collection("a")], [recorded(A, **VECTOR)])
    found = changes(*args)
    assert found["collection/b"].action is Action.REFUSED
    assert found[A].action is Action.NOOP
    allowed = changes(*args, consents=[Consent("delete", "collection/*", "a test")])
    assert [c.action for c in allowed.values()] == [Action.CREATE, Action.DELETE]


def test_an_open_apply_counts_as_ours_and_is_finished():
    pending = {"action": "update", "spec": {"hnsw_config": {"m": 64}}}
    known = recorded(A, pending=pending, **VECTOR)
    found = only([desired(A, **VECTOR)], [live_collection("a")], [known])
    assert found.action is Action.ADOPT
    assert "interrupted" in found.because


def test_what_an_interrupted_apply_did_not_reach_is_no_drift():
    want = desired(A, **VECTOR, hnsw_config={"m": 64, "ef_construct": 7}, metadata={"x": 1})
    pending = {"action": "update", "spec": want.spec}
    before = recorded(A, pending=pending, **VECTOR, hnsw_config={"ef_construct": 7})
    found = only([want], [live_collection("a")], [before])
    assert found.action is Action.UPDATE
    assert found.because == "left incomplete by an interrupted apply"
    causes = {field.path: field.cause for field in found.fields}
    assert causes == {
        ("hnsw_config", "m"): Cause.EDIT,
        ("hnsw_config", "ef_construct"): Cause.DRIFT,
        ("metadata", "x"): Cause.EDIT,
    }


@pytest.mark.parametrize("mode", ["revert", "keep", "refuse"])
def test_what_an_interrupted_apply_has_set_is_no_drift(mode):
    """It is finished whatever on_drift says, though the manifest has moved on."""
    pending = {"action": "update", "spec": {**VECTOR, "hnsw_config": {"m": 64}}}
    before = recorded(A, pending=pending, **VECTOR, hnsw_config={"m": 32})
    asked = question([desired(A, **VECTOR, hnsw_config={"m": 99})],
                     [live_collection("a", hnsw_config={"m": 64})], [before],
                     on_drift=lambda _: mode)  # fmt: skip
    (found,) = plan_changes(asked, BY_NAME)
    assert (found.action, found.cause) == (Action.UPDATE, Cause.EDIT)
    assert [field.cause for field in found.fields] == [Cause.EDIT]


def test_what_could_not_be_read_is_not_changed():
    want = [desired(A, **VECTOR, payload_indexes={"a": {"type": "keyword"}}, metadata={"x": 1})]
    live = live_collection("a")
    unread = replace(live, facts=replace(live.facts, unread={"payload_indexes": "refused"}))
    found = only(want, [unread], [recorded(A, **VECTOR)])
    assert found.action is Action.REFUSED
    assert "not known while a node is down (refused)" in found.because


def test_a_recreated_collection_is_told():
    found = only([desired(A, **VECTOR)], [live_collection("a", uuid="new")],
                 [recorded(A, uuid="old", **VECTOR)])  # fmt: skip
    assert found.action is Action.ADOPT
    assert found.because == "re-created outside qdrantctl"
    assert found.cause is Cause.DRIFT


def test_targets_bring_what_they_refer_to_and_exclusions_take_what_depends():
    want = [
        desired(A, **VECTOR),
        desired("alias/z", collection="a"),
        desired("collection/b", **VECTOR),
    ]
    assert set(changes(want, selection=Selection(targets=("alias/*",)))) == {A, "alias/z"}
    assert set(changes(want, selection=Selection(excludes=(A,)))) == {"collection/b"}
    with pytest.raises(UsageError, match="matches nothing"):
        changes(want, selection=Selection(targets=("collection/nope",)))


def test_the_schema_version_rises_with_what_is_asked():
    want = desired(A, **VECTOR, hnsw_config={"m": 32})
    found = only([want], [live_collection("a")], [recorded(A, **VECTOR)])
    assert (found.schema_version.recorded, found.schema_version.desired) == (1, 2)
    same = only([desired(A, **VECTOR)], [live_collection("a")], [recorded(A, **VECTOR)])
    assert (same.schema_version.recorded, same.schema_version.desired) == (1, 1)
