from dataclasses import replace

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.planning.references import list_references
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Facts
from tests.support.states import (
    OWNER,
    SERVER,
    TODAY,
    VECTOR,
    desired,
    live_alias,
    live_collection,
    question,
    recorded,
)

POLICY = {"schedule": "0 3 * * *", "retention": {"keep_last": 1}, "destination": "cluster"}
KEY = {"ttl": "90d", "rotate_before": "7d", "grace": "1d"}


def found(want, live, known=()):
    states = question(want, live, known)
    context = Context(
        server=SERVER, today=TODAY, desired=states.desired, live=states.live,
        recorded=states.recorded, owner=OWNER,
    )  # fmt: skip
    listed = list_references(plan_changes(states, BY_NAME), context, BY_NAME)
    return [(reference.source, reference.target) for reference in listed]


def test_a_moved_alias_refers_to_both_collections():
    spec = {"collection": "b"}
    assert found(
        [desired("alias/live", **spec), desired("collection/b", **VECTOR)],
        [live_alias("live", "a"), live_collection("a"), live_collection("b")],
        [recorded("alias/live", collection="a")],
    ) == [("alias/live", "collection/a"), ("alias/live", "collection/b")]


def test_an_unchanged_alias_is_listed_where_its_collection_changes():
    want = [desired("alias/live", collection="a"), desired("collection/a", **VECTOR)]
    live = [live_alias("live", "a"), live_collection("a")]
    known = [recorded("alias/live", collection="a"), recorded("collection/a", **VECTOR)]
    assert found(want, live, known) == []
    want[1] = desired("collection/a", **VECTOR, hnsw_config={"m": 32})
    assert found(want, live, known) == [("alias/live", "collection/a")]


def test_keys_and_policies_refer_to_what_they_name():
    grants = [{"collection": name, "access": "r"} for name in ("live", "a", "gone")]
    assert found(
        [
            desired("access_key/reader", access=grants, **KEY),
            desired("access_key/whole", access="r", **KEY),
            desired("alias/live", collection="a"),
            desired("collection/a", **VECTOR),
            desired("collection/b", **VECTOR),
            desired("snapshot_policy/nightly", collections=["a*"], **POLICY),
        ],
        [],
    ) == [
        ("access_key/reader", "alias/live"),
        ("access_key/reader", "collection/a"),
        ("alias/live", "collection/a"),
        ("snapshot_policy/nightly", "collection/a"),
    ]


def test_nodes_are_listed_for_changed_collections_only():
    def on_nodes(name):
        return replace(live_collection(name), facts=Facts(peers=frozenset("21")))

    assert found(
        [desired("collection/a", **VECTOR, hnsw_config={"m": 32})],
        [on_nodes("a"), on_nodes("other")],
        [recorded("collection/a", **VECTOR)],
    ) == [("collection/a", "node/1"), ("collection/a", "node/2")]
