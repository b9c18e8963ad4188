"""Two spellings of one placement: a manifest may use either, and no plan follows from that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qdrantctl.engine.planning.compare import compare_since_apply
from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.server import UNKNOWN, Version
from tests.support.states import SERVER, TODAY, desired, live_collection, question, recorded

NEW = replace(SERVER, version=Version(1, 19, 0))
VECTOR = {"size": 4, "distance": "Dot"}
ADDRESS = "collection/products"
OLD_SPELLING = {
    "vectors": {"a": VECTOR | {"on_disk": True, "hnsw_config": {"m": 8, "on_disk": False}}},
    "sparse_vectors": {"s": {"index": {"on_disk": False}}},
    "hnsw_config": {"on_disk": True},
    "on_disk_payload": False,
}
NEW_SPELLING = {
    "vectors": {"a": VECTOR | {"memory": "cold", "hnsw_config": {"m": 8, "memory": "cached"}}},
    "sparse_vectors": {"s": {"index": {"memory": "pinned"}}},
    "hnsw_config": {"memory": "cold"},
    "payload": {"memory": "cached"},
}
LIVE = live_collection(
    "products",
    params={
        "vectors": OLD_SPELLING["vectors"],
        "sparse_vectors": OLD_SPELLING["sparse_vectors"],
        "on_disk_payload": False,
    },
    hnsw_config={"m": 16, "ef_construct": 100, "on_disk": True},
)


def planned(want, live=LIVE, known=None, server=NEW):
    stated = desired(ADDRESS, **want)
    known = recorded(ADDRESS, **OLD_SPELLING) if known is None else known
    (change,) = plan_changes(question([stated], [live], [known], server=server), BY_NAME)
    return change


@pytest.mark.parametrize("server", [NEW, replace(SERVER, version=UNKNOWN)])
def test_the_new_spelling_of_what_is_there_changes_nothing(server):
    change = planned(NEW_SPELLING, server=server)
    assert (change.action, change.fields, change.steps) == (Action.NOOP, (), ())


def test_a_version_that_only_the_spelling_has_raised_is_no_change():
    stated, known = desired(ADDRESS, **NEW_SPELLING), recorded(ADDRESS, **OLD_SPELLING)
    asked = question([stated], [LIVE], [known], server=NEW, versions={stated.address: 2})
    assert [change.action for change in plan_changes(asked, BY_NAME)] == [Action.NOOP]


def test_the_old_spelling_of_what_is_there_changes_nothing():
    live = replace(LIVE, spec={**LIVE.spec, **desired(ADDRESS, **NEW_SPELLING).spec})
    known = recorded(ADDRESS, **NEW_SPELLING)
    assert planned(OLD_SPELLING, live, known).action is Action.NOOP


def test_a_record_in_the_new_spelling_is_no_drift():
    stated = desired(ADDRESS, **NEW_SPELLING)
    compared = compare_since_apply(
        recorded(ADDRESS, **NEW_SPELLING), LIVE, stated, COLLECTION, NEW, TODAY
    )
    assert compared.needed_changes == ()


def test_before_1_19_the_new_spelling_is_refused():
    assert planned(NEW_SPELLING, server=SERVER).action is Action.REFUSED


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("hnsw_config.memory", {**NEW_SPELLING, "hnsw_config": {"memory": "pinned"}}),
        ("payload.memory", {**NEW_SPELLING, "payload": {"memory": "cold"}}),
        (
            "sparse_vectors.s.index.memory",
            {**NEW_SPELLING, "sparse_vectors": {"s": {"index": {"memory": "cached"}}}},
        ),
    ],
)
def test_another_placement_is_a_change(path, want):
    (changed,) = [f for f in planned(want).fields if f.effect > Effect.KEPT]
    assert (".".join(changed.path), changed.effect) == (path, Effect.REBUILD)


def test_quantization_has_one_spelling():
    """The server compares its settings as a whole, so the other spelling quantizes again."""
    old, new = ({"scalar": {"type": "int8", **memory}} for memory in (
        {"always_ram": True}, {"memory": "pinned"}))  # fmt: skip
    live = live_collection("products", quantization_config=old)
    known = recorded(ADDRESS, vectors=VECTOR, quantization_config=old)
    change = planned({"vectors": VECTOR, "quantization_config": new}, live, known)
    assert {f.effect for f in change.fields} == {Effect.REBUILD}
