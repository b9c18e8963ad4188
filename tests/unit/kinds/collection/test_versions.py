"""What 1.18 and 1.19 changed, as it was seen on real servers of these versions."""

import pytest

from qdrantctl.engine.diff import DiffContext, diff
from qdrantctl.engine.importing.manifest_form import to_manifest_form
from qdrantctl.kinds.collection.checks import lint_collection
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.spec import field_tree_of

VECTOR = {"size": 4, "distance": "Dot"}
ADDRESS = Address("collection", "products")


def effects(version, live, desired, recorded=None):
    """The effect of each changed field, by dotted path, on a server of this version."""
    server = Server(Version.parse(version), "http://localhost:6333")
    context = DiffContext(server=server)
    fields = diff(
        field_tree_of(Collection), desired, live, live if recorded is None else recorded, context
    )
    fields = COLLECTION.refine_fields(
        fields, Resource(ADDRESS, desired), Resource(ADDRESS, live), None
    )
    return {".".join(map(str, field.path)): field.effect for field in fields}


@pytest.mark.parametrize(
    ("version", "effect"),
    [("1.16.3", Effect.REPLACE), ("1.18.0", Effect.UPDATE), ("1.19.0", Effect.UPDATE)],
)
def test_a_vector_name_is_added_in_place(version, effect):
    live, desired = {"vectors": {"a": VECTOR}}, {"vectors": {"a": VECTOR, "b": VECTOR}}
    assert effects(version, live, desired) == {"vectors.b": effect}


@pytest.mark.parametrize(
    ("version", "effect"),
    [("1.16.3", Effect.REPLACE), ("1.18.3", Effect.REFUSED), ("1.19.0", Effect.UPDATE)],
)
@pytest.mark.parametrize("kind", ["vectors", "sparse_vectors"])
def test_a_vector_name_is_dropped_in_place(version, effect, kind):
    value = VECTOR if kind == "vectors" else {"modifier": "idf"}
    live, desired = {kind: {"a": value, "b": value}}, {kind: {"a": value}}
    assert effects(version, live, desired) == {f"{kind}.b": effect}


@pytest.mark.parametrize("version", ["1.16.3", "1.18.3", "1.19.0"])
def test_the_unnamed_vector_is_fixed(version):
    one, both = {"vectors": {"a": VECTOR}}, {"vectors": {"": VECTOR, "a": VECTOR}}
    assert effects(version, one, both) == {"vectors.": Effect.REPLACE}
    assert effects(version, both, one) == {"vectors.": Effect.REPLACE}


@pytest.mark.parametrize(
    ("live", "desired", "path", "effect"),
    [
        ({"on_disk": False}, {"on_disk": False, "memory": "cached"}, "memory", Effect.UPDATE),
        ({"on_disk": True}, {"on_disk": True, "memory": "cold"}, "memory", Effect.UPDATE),
        ({"on_disk": True}, {"on_disk": True, "memory": "cached"}, "memory", Effect.REBUILD),
        ({}, {"memory": "cached"}, "memory", Effect.REBUILD),
        (
            {"on_disk": False, "memory": "cold"},
            {"on_disk": True, "memory": "cold"},
            "on_disk",
            Effect.UPDATE,
        ),
    ],
)
@pytest.mark.parametrize("where", ["hnsw_config", "vectors"])
def test_placements_have_two_spellings(where, live, desired, path, effect):
    if where == "vectors":
        worlds = [{"vectors": {"a": {**VECTOR, **side}}} for side in (live, desired)]
        path = f"vectors.a.{path}"
    else:
        worlds = [{"vectors": {"a": VECTOR}, "hnsw_config": side} for side in (live, desired)]
        path = f"hnsw_config.{path}"
    assert effects("1.19.0", *worlds) == {path: effect}


def test_payload_has_two_spellings_too():
    live = {"on_disk_payload": True}
    assert effects("1.19.0", live, {**live, "payload": {"memory": "cold"}}) == {
        "payload.memory": Effect.UPDATE
    }
    assert effects("1.19.0", live, {**live, "payload": {"memory": "cached"}}) == {
        "payload.memory": Effect.REBUILD
    }


def test_one_unnamed_vector_has_two_forms_on_the_server():
    """Adding a name and dropping it again leaves the map, for good (seen on 1.19.0)."""
    single = parse_live_spec({"params": {"vectors": VECTOR}})
    assert parse_live_spec({"params": {"vectors": {"": VECTOR}}}) == single
    stated = [
        COLLECTION.canonical(Collection.model_validate({"vectors": vectors}))
        for vectors in (VECTOR, {"": VECTOR})
    ]
    assert stated == [single, single]
    assert to_manifest_form(field_tree_of(Collection), single) == {"vectors": VECTOR}


GET_OF_1_19 = {
    "params": {"vectors": VECTOR, "shard_number": 1, "on_disk_payload": True},
    "optimizer_config": {"flush_interval_sec": 5, "prevent_unoptimized": None},
}
"""As 1.19.0 shows a collection of which only the vector was stated, shortened."""


def test_null_for_prevent_unoptimized_is_no_value():
    live = parse_live_spec(GET_OF_1_19)
    assert live["optimizers_config"] == {"flush_interval_sec": 5}
    assert effects("1.19.0", live, {"vectors": {"": VECTOR}}, {}) == {}
    assert effects("1.19.0", live, live) == {}


@pytest.mark.parametrize(
    "section",
    [
        {"hnsw_config": {"memory": "cold"}},
        {"payload": {"memory": "cold"}},
        {"vectors": {"a": {**VECTOR, "memory": "cold"}}},
        {"sparse_vectors": {"s": {"index": {"memory": "pinned"}}}},
    ],
)
def test_memory_cannot_be_unset_and_that_is_told(section):
    live = {"vectors": {"a": VECTOR}, **section}
    desired = {"vectors": {"a": VECTOR}}
    if "sparse_vectors" in section:
        desired["sparse_vectors"] = {"s": {}}
    context = DiffContext(Server(Version.parse("1.19.0"), "http://localhost:6333"))
    (field,) = diff(field_tree_of(Collection), desired, live, live, context)
    assert (field.path[-1], field.effect) == ("memory", Effect.KEPT)
    assert "Qdrant cannot unset it" in field.because


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"hnsw_config": {"on_disk": True, "memory": "cold"}}, ["hnsw_config.on_disk"]),
        ({"vectors": {"": {**VECTOR, "on_disk": True, "memory": "cached"}}}, ["vectors.on_disk"]),
        ({"on_disk_payload": True, "payload": {"memory": "cold"}}, ["on_disk_payload"]),
        ({"hnsw_config": {"on_disk": True}, "payload": {"memory": "cold"}}, []),
        ({"hnsw_config": {"memory": "cold"}}, []),
    ],
)
def test_on_disk_beside_memory_is_told(spec, told):
    found = list(lint_collection(Resource(ADDRESS, spec), Inventory()))
    assert [finding.rule for finding in found] == ["QC241"] * len(told)
    assert [finding.message.split(" has no effect")[0] for finding in found] == told
