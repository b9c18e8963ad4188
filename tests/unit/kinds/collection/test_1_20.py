"""What 1.20 changed, from qdrant-client 1.20.0 and the engine of that time. No server was seen."""

import pytest

from qdrantctl.engine.importing.manifest_form import without_defaults
from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.checks import check_collection
from qdrantctl.kinds.collection.defaults import collection_defaults
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.kind import Context
from qdrantctl.model.server import Server, Version
from qdrantctl.model.spec import field_tree_of
from qdrantctl.model.step import list_calls
from tests.support.states import TODAY, VECTOR, desired, live_collection, question, recorded

A = "collection/a"
NAMED = {"vectors": {"v": VECTOR["vectors"]}}
NARROW = {"type": "text", "min_token_len": 5, "max_token_len": 3}


def server(version):
    return Server(Version.parse(version), "http://localhost:6333")


def planned(version, spec, live=None, known=None):
    """The change of one collection, and the rules that it breaks on this cluster."""
    asked = question(
        [desired(A, **spec)],
        [live] if live else [],
        [recorded(A, **known)] if known else [],
        server=server(version),
    )
    [change] = plan_changes(asked, BY_NAME)
    context = Context(
        server=asked.server,
        today=TODAY,
        desired=asked.desired,
        live=asked.live,
        recorded=asked.remembered,
        deleted=frozenset(),
    )
    return change, {violation.rule for violation in check_collection(change, context)}


@pytest.mark.parametrize(("version", "rules"), [("1.19.1", set()), ("1.20.0", {"QC134"})])
def test_an_index_without_words_is_refused(version, rules):
    spec = {**VECTOR, "payload_indexes": {"title": NARROW}}
    assert planned(version, spec)[1] == rules
    wide = {**NARROW, "max_token_len": 5}
    assert planned(version, {**VECTOR, "payload_indexes": {"title": wide}})[1] == set()


def test_an_index_without_words_that_exists_is_left_alone():
    spec = {**VECTOR, "payload_indexes": {"title": NARROW}}
    live = live_collection("a", indexes={"title": {**NARROW, "tokenizer": "word"}})
    wanted = {**spec, "hnsw_config": {"m": 32}}
    change, rules = planned("1.20.0", wanted, live, spec)
    assert (change.action, rules) == (Action.UPDATE, set())


@pytest.mark.parametrize("name", [".", ".."])
@pytest.mark.parametrize("kind", ["vectors", "sparse_vectors"])
def test_a_path_segment_is_no_vector_name(kind, name):
    vector = VECTOR["vectors"] if kind == "vectors" else {}
    spec = {**NAMED, kind: {**NAMED.get(kind, {}), name: vector}}
    assert planned("1.20.0", spec)[1] == {"QC120"}
    assert planned("1.19.1", spec)[1] == set()
    live = live_collection("a", params=NAMED)
    change, rules = planned("1.19.1", spec, live, NAMED)
    assert (change.action, rules) == (Action.UPDATE, {"QC120"})


def test_the_id_tracker_is_placed_by_patch():
    live = live_collection("a")
    change, _ = planned("1.20.0", {**VECTOR, "id_tracker": {"memory": "cold"}}, live, VECTOR)
    [field] = [field for field in change.fields if field.path[0] == "id_tracker"]
    assert field.effect is Effect.REBUILD
    [call] = list_calls(change.steps)
    assert call.body == {"params": {"id_tracker": {"memory": "cold"}}}
    change, _ = planned("1.20.0", {**VECTOR, "id_tracker": {"memory": "cold"}})
    assert list_calls(change.steps)[0].body["id_tracker"] == {"memory": "cold"}


def test_pinning_the_id_tracker_rewrites_nothing_where_nothing_was_stated():
    pinned = {**VECTOR, "id_tracker": {"memory": "pinned"}}
    change, _ = planned("1.20.0", pinned, live_collection("a"), VECTOR)
    assert [field.effect for field in change.fields] == [Effect.UPDATE]
    cold = {"id_tracker": {"memory": "cold"}}
    live = live_collection("a", params=cold)
    change, _ = planned("1.20.0", pinned, live, {**VECTOR, **cold})
    assert [field.effect for field in change.fields] == [Effect.REBUILD]


def test_the_id_tracker_cannot_be_unset():
    cold = {"id_tracker": {"memory": "cold"}}
    change, _ = planned("1.20.0", VECTOR, live_collection("a", params=cold), {**VECTOR, **cold})
    assert change.steps == ()
    assert [field.effect for field in change.fields] == [Effect.KEPT]


def test_shards_that_the_server_chose_are_no_difference():
    for shards in (1, 6):
        live = live_collection("a", params={"shard_number": shards})
        change, _ = planned("1.20.0", VECTOR, live, VECTOR)
        assert (change.action, change.steps) == (Action.NOOP, ())


@pytest.mark.parametrize(("version", "stated"), [("1.19.1", False), ("1.20.0", True)])
def test_an_import_states_the_shards_that_the_server_chose(version, stated):
    live = live_collection("a")
    defaults = collection_defaults(live.spec, server(version))
    spec = without_defaults(field_tree_of(Collection), live.spec, defaults)
    assert ("shard_number" in spec) is stated


@pytest.mark.parametrize("datatype", ["turbo8", "turbo16"])
def test_new_datatypes_are_for_dense_vectors_alone(datatype):
    spec = {"vectors": {**VECTOR["vectors"], "datatype": datatype}}
    assert planned("1.20.0", spec)[0].action is Action.CREATE
    change, _ = planned("1.19.1", spec)
    assert change.action is Action.REFUSED
    assert "needs Qdrant 1.20.0 or newer" in change.because
    with pytest.raises(ValueError, match="float32"):
        desired(A, sparse_vectors={"s": {"index": {"datatype": datatype}}})
