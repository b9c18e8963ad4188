"""What 1.18 and 1.19 changed, as it was seen on real servers of these versions."""

import pytest

from qdrantctl.engine.diff import DiffContext, diff
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.resource import Resource
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
