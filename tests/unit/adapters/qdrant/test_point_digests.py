"""Equal points have equal digests, in whatever way a server sends them."""

from __future__ import annotations

import struct

import pytest
from qdrant_client import grpc
from qdrant_client.conversions.conversion import payload_to_grpc

from qdrantctl.adapters.qdrant.points import json_points, wire_digest, wire_points
from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.model.points import Point, PointKey
from qdrantctl.model.replacement import MARK

PAYLOAD = {
    "title": "2 chairs",
    "price": 12.5,
    "maker": {"name": "x2", "place": {"city": "Ulm", "zip": 89073}},
    "parts": [{"a": 1, "b": [{"c": 2, "d": None}]}, "2"],
    "": True,
}
VECTORS = {"dense": [1.5, -2.0], "rows": [[1.0, 2.0], [3.0, 4.0]],
           "sparse": {"indices": [3, 900], "values": [0.5, 0.25]}}  # fmt: skip


def reverse(value):
    """The same value with the entries of its objects in another order."""
    if isinstance(value, dict):
        return {key: reverse(inner) for key, inner in reversed(value.items())}
    return [reverse(inner) for inner in value] if isinstance(value, list) else value


def wire(payload, vectors=VECTORS):
    """A point as a gRPC message, with the entries of its maps in the order that is given."""
    encoded = wire_points.encode_point(Point(PointKey(False, 1), {}, vectors))
    encoded.payload[:] = list_entries(payload)
    return encoded


def list_entries(payload):
    entry = MESSAGES["PayloadEntry"]
    return [
        entry(key=k.encode(), value=value_of(v)).SerializeToString() for k, v in payload.items()
    ]


def value_of(value):
    message = MESSAGES["Value"]
    if isinstance(value, dict):
        made = message(struct_value=MESSAGES["Struct"](fields=list_entries(value)))
    elif isinstance(value, list):
        made = message(list_value=MESSAGES["ListValue"](values=map(value_of, value)))
    else:
        made = payload_to_grpc({"": value})[""]
        made = grpc.Value(**made) if isinstance(made, dict) else made
    return made.SerializeToString()


def in_json(payload, vectors=VECTORS):
    return json_points.encode_json_point(Point(PointKey(False, 1), payload, vectors))


FORMS = {
    "wire": (wire, wire_digest.digest_point),
    "json": (in_json, json_points.digest_json_point),
}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


@pytest.mark.parametrize("fields", [None, (), ("maker", "parts")])
def test_the_order_of_objects_does_not_matter(form, fields):
    make, digest = form
    assert digest(make(PAYLOAD), fields) == digest(make(reverse(PAYLOAD)), fields)
    assert len(digest(make(PAYLOAD), fields)) == 8


def test_everything_else_does(form):
    make, digest = form
    others = [
        make(PAYLOAD | {"price": 12}),
        make(PAYLOAD | {"parts": PAYLOAD["parts"][::-1]}),
        make(PAYLOAD | {"maker": PAYLOAD["maker"] | {"place": {"city": "Ulm", "zip": 89074}}}),
        make({key: value for key, value in PAYLOAD.items() if key}),
        make(PAYLOAD, VECTORS | {"dense": [1.5, 2.0]}),
        make(PAYLOAD, VECTORS | {"rows": [[1.0, 2.0, 3.0, 4.0]]}),
        make(PAYLOAD, VECTORS | {"sparse": {"indices": [3, 901], "values": [0.5, 0.25]}}),
        make(PAYLOAD, {name: VECTORS[name] for name in ("dense", "rows")}),
        make(PAYLOAD, {"other" if name == "dense" else name: VECTORS[name] for name in VECTORS}),
    ]
    digests = {digest(point, None) for point in [make(PAYLOAD), *others]}
    assert len(digests) == 1 + len(others)


def test_a_mark_is_left_out(form):
    make, digest = form
    for fields in (None, ()):
        assert digest(make(PAYLOAD | {MARK: "2"}), fields) == digest(make(PAYLOAD), fields)


def test_fields(form):
    make, digest = form
    fields = ("title", "maker.name", "parts.a")
    base = digest(make(PAYLOAD), fields)
    assert base == digest(make(PAYLOAD | {"price": 0}, {}), fields)
    for other in (
        {"title": "3 chairs"},
        {"title": None},
        {"maker": {"name": "x3"}},
        {"parts": [{"a": 2}]},
    ):
        assert base != digest(make(PAYLOAD | other), fields)
    assert digest(make({}), ("title",)) != digest(make({"title": None}), ("title",))


def test_vectors_of_older_servers_have_the_digest_of_the_newer_form():
    def tag(numbers):
        return b"".join(b"\x0d" + struct.pack("<f", number) for number in numbers)

    sparse = grpc.VectorOutput(indices=grpc.SparseIndices(data=[3, 900])).SerializeToString()
    older = {
        "sparse": tag([0.5, 0.25]) + sparse,
        "dense": tag([1.5, -2.0]),
        "rows": tag([1, 2, 3, 4]) + b"\x18\x02",
    }
    entries = [MESSAGES["VectorEntry"](key=name, value=raw) for name, raw in older.items()]
    named = MESSAGES["NamedVectorsOutput"](vectors=entries)
    point = wire(PAYLOAD)
    point.vectors = MESSAGES["VectorsOutput"](vectors=named).SerializeToString()
    assert wire_digest.digest_point(point, None) == wire_digest.digest_point(wire(PAYLOAD), None)
    assert wire_points.decode_point(point).vectors == VECTORS


def test_the_unnamed_vector_may_be_named_by_the_empty_name():
    vector = [1.5, 2.0]
    single, named = wire({}, {"": vector}), wire({}, {"": vector, "x": vector})
    message = MESSAGES["VectorsOutput"].FromString(named.vectors)
    del message.vectors.vectors[[e.key for e in message.vectors.vectors].index("x")]
    named.vectors = message.SerializeToString()
    assert wire_digest.digest_point(single, None) == wire_digest.digest_point(named, None)
    named, single = {"id": 1, "vector": {"": vector}}, {"id": 1, "vector": vector}
    assert json_points.digest_json_point(single, None) == json_points.digest_json_point(named, None)
