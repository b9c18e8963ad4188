"""Equal points have equal digests, in whatever way a server sends them, and are written alike."""

from __future__ import annotations

import struct

import pytest
from qdrant_client import grpc
from qdrant_client.conversions.conversion import payload_to_grpc

from qdrantctl.adapters.qdrant.points import json_points, wire_digest, wire_fields, wire_points
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
LONG = {"k" * 200: "x" * 20_000, "more": {"n" * 130: "2" * 130, "empty": {}}}


def reverse(value):
    """The same value with the entries of its objects in another order."""
    if isinstance(value, dict):
        return {key: reverse(inner) for key, inner in reversed(value.items())}
    return [reverse(inner) for inner in value] if isinstance(value, list) else value


def wire(payload, vectors=VECTORS):
    """A point in gRPC form, with the entries of its maps in the order that is given."""
    encoded = wire_points.encode_point(Point(PointKey(False, 1), {}, vectors))
    return change(encoded, payload=list_entries(payload))


def change(raw, **parts):
    """A point with other parts."""
    message = MESSAGES["RetrievedPoint"].FromString(raw)
    for name in parts:
        message.ClearField(name)
    message.MergeFrom(MESSAGES["RetrievedPoint"](**parts))
    return message.SerializeToString()


def part_of(raw, name):
    return getattr(MESSAGES["RetrievedPoint"].FromString(raw), name)


def list_entries(payload):
    entry = MESSAGES["PayloadEntry"]
    return [
        entry(key=k.encode(), value=value_of(v)).SerializeToString() for k, v in payload.items()
    ]


def value_of(value):
    if isinstance(value, dict):
        return in_field(6, b"".join(in_field(1, entry) for entry in list_entries(value)))
    if isinstance(value, list):
        return in_field(7, b"".join(in_field(1, value_of(item)) for item in value))
    made = payload_to_grpc({"": value})[""]
    made = grpc.Value(**made) if isinstance(made, dict) else made
    return made.SerializeToString()


def in_field(number, body):
    """A part of a message after its tag and its length."""
    size, length = len(body), b""
    while size > 0x7F:
        size, length = size >> 7, length + bytes([size & 0x7F | 0x80])
    return bytes([number << 3 | 2]) + length + bytes([size]) + body


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
    for payload in (PAYLOAD, LONG, {"list": [LONG, [LONG]]}):
        assert digest(make(payload), fields) == digest(make(reverse(payload)), fields)
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


def test_digests_stay_as_they_are():
    """They are kept on disk from one version of the client, and of protobuf, to the next."""
    assert wire_digest.digest_point(wire(PAYLOAD)).hex() == "68f814aecc88d755"
    assert wire_digest.digest_point(wire(PAYLOAD), ("maker",)).hex() == "ac1fff904435a948"


def test_objects_that_are_too_deep_for_grpc_have_a_digest(form):
    make, digest = form
    deep, other = {"x": 1}, {"x": 2}
    for _ in range(60):
        deep, other = {"in": deep}, {"in": other}
    assert digest(make({"a": deep, "b": 1}), None) == digest(make({"b": 1, "a": deep}), None)
    assert digest(make(deep), None) != digest(make(other), None)


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


def in_older_form(point):
    """A point with VECTORS as a server before 1.17 sends it."""
    sparse = grpc.VectorOutput(indices=grpc.SparseIndices(data=[3, 900])).SerializeToString()
    older = {
        "sparse": tag([0.5, 0.25]) + sparse,
        "dense": tag([1.5, -2.0]),
        "rows": tag([1, 2, 3, 4]) + b"\x18\x02",
    }
    entries = [MESSAGES["VectorEntry"](key=name, value=raw) for name, raw in older.items()]
    named = MESSAGES["NamedVectorsOutput"](vectors=entries)
    vectors = MESSAGES["VectorsOutput"](vectors=named).SerializeToString()
    return change(point, vectors=vectors)


def tag(numbers):
    return b"".join(b"\x0d" + struct.pack("<f", number) for number in numbers)


def test_vectors_of_older_servers_have_the_digest_of_the_newer_form():
    point = in_older_form(wire(PAYLOAD))
    assert wire_digest.digest_point(point, None) == wire_digest.digest_point(wire(PAYLOAD), None)
    assert wire_points.decode_point(point).vectors == VECTORS


def as_data(written):
    """A PointStruct as data, read by the typed messages."""
    point = grpc.PointStruct.FromString(written)
    read = grpc.RetrievedPoint(id=point.id, payload=point.payload)
    read.vectors.ParseFromString(point.vectors.SerializeToString())
    return wire_points.decode_point(read.SerializeToString())


@pytest.mark.parametrize(("payload", "vectors"), [(PAYLOAD, VECTORS), (LONG, {"": [2.0] * 300}),
                                                  ({}, {})])  # fmt: skip
def test_a_point_is_written_as_it_was_read(payload, vectors):
    point = wire(payload, vectors)
    assert as_data(wire_fields.convert_to_written(point)) == wire_points.decode_point(point)


def test_vectors_of_older_servers_are_written_in_the_newer_form():
    written = wire_fields.convert_to_written(in_older_form(wire(PAYLOAD)))
    assert as_data(written).vectors == VECTORS
    named = grpc.PointStruct.FromString(written).vectors.vectors.vectors
    assert (list(named["dense"].data), list(named["dense"].dense.data)) == ([], [1.5, -2.0])
    single = change(wire({}, {}), vectors=b"\x0a\x0a" + tag([1.5, -2.0]))
    written = wire_fields.convert_to_written(single)
    assert list(grpc.PointStruct.FromString(written).vectors.vector.dense.data) == [1.5, -2.0]
    assert wire_digest.digest_point(single) == wire_digest.digest_point(wire({}, {"": [1.5, -2.0]}))


@pytest.mark.parametrize("unknown", [b"\x2a\x02\x0a\x00", b"\x38\x01", b"\xa2\x06\x01x"])
def test_parts_of_a_point_that_cannot_be_written_are_left_out(unknown):
    """A shard key; fields of another type, and of a greater number, that newer servers may have."""
    point = wire(PAYLOAD)
    for extended in (point + unknown, unknown + point):
        assert wire_digest.digest_point(extended) == wire_digest.digest_point(point)
        assert wire_digest.key_of_point(extended) == PointKey(False, 1)
        written = wire_fields.convert_to_written(extended)
        assert written == wire_fields.convert_to_written(point)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 2**32, 2**64 - 1])
def test_keys(value):
    for key in (PointKey(False, value), PointKey(True, value << 63)):
        assert wire_digest.key_of_point(wire_points.encode_point(Point(key, {}, {}))) == key


def test_the_unnamed_vector_may_be_named_by_the_empty_name():
    vector = [1.5, 2.0]
    single, named = wire({}, {"": vector}), wire({}, {"": vector, "x": vector})
    message = MESSAGES["VectorsOutput"].FromString(part_of(named, "vectors"))
    del message.vectors.vectors[[e.key for e in message.vectors.vectors].index("x")]
    named = change(named, vectors=message.SerializeToString())
    assert wire_digest.digest_point(single, None) == wire_digest.digest_point(named, None)
    named, single = {"id": 1, "vector": {"": vector}}, {"id": 1, "vector": vector}
    assert json_points.digest_json_point(single, None) == json_points.digest_json_point(named, None)


@pytest.mark.parametrize("name", FORMS)
def test_a_copy_has_the_digest_that_it_has_alone(name):
    make, digest = FORMS[name]
    digest_both = {"wire": wire_digest.digest_copy, "json": json_points.digest_json_copy}[name]
    deep = {"x": 1}
    for _ in range(60):
        deep = {"in": deep}
    payloads = [PAYLOAD, reverse(PAYLOAD), PAYLOAD | {MARK: "2"}, PAYLOAD | {"price": 12}, {}, deep]
    points = [make(payload) for payload in payloads] + [make(PAYLOAD, {"dense": [1.5, 2.0]})]
    if name == "wire":
        shard_key, later = b"\x2a\x02\x0a\x00", b"\xa2\x06\x01x"
        points += [points[0] + shard_key, points[0] + later, in_older_form(points[0])]
    for point in points:
        for copy in points:
            assert digest_both(point, copy) == (digest(point), digest(copy))
