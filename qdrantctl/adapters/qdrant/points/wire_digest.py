"""Digests and keys of points in gRPC form, from their bytes: no number is decoded.

Two things are not the same each time the same point is read. The entries of maps come in any order,
and servers before 1.17 write vectors in fields that newer ones no longer use.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.model.points import Digest, PointKey
from qdrantctl.model.replacement import MARK

_ID, _ENTRY, _VALUE = (MESSAGES[name] for name in ("PointId", "PayloadEntry", "Value"))
_VECTORS, _VECTOR = MESSAGES["VectorsOutput"], MESSAGES["VectorOutput"]
_STRUCT_TAG, _LIST_TAG = 0x32, 0x3A
"""First bytes of values that are objects and lists."""
_FLOAT_TAG = b"\x0d"
"""What precedes each number of a vector that older servers send, which takes five bytes with it."""
_MARK = MARK.encode()
DIGEST_SIZE = 8


def parse_key(raw: bytes) -> PointKey:
    """The key in a PointId."""
    point_id = _ID.FromString(raw)
    if point_id.uuid:
        return PointKey(True, int(point_id.uuid.replace("-", ""), 16))
    return PointKey(False, point_id.num)


def digest_point(point: Any, fields: tuple[str, ...] | None) -> Digest:
    """The digest of a RetrievedPoint; see PointStore."""
    if fields:
        return _digest_fields(point, fields)
    # Keys differ, and the length of the key comes first, so the bytes of values do not matter.
    entries = sorted(point.payload)
    joined = b"".join(entries)
    if _STRUCT_TAG in joined:
        joined = b"".join(map(_sort_entry, entries))
    if _MARK in joined:
        joined = b"".join(_sort_entry(raw) for raw in entries if _ENTRY.FromString(raw).key != MARK)
    digest = blake2b(joined, digest_size=DIGEST_SIZE)
    if fields is None:
        for part in _list_vectors(point.vectors):
            digest.update(part)
    return digest.digest()


def _sort_entry(raw: bytes) -> bytes:
    """An entry of a map whose value has the entries of all its objects sorted."""
    if _STRUCT_TAG not in raw:
        return raw
    entry = _ENTRY.FromString(raw)
    entry.value = _sort_value(entry.value)
    return bytes(entry.SerializeToString())


def _sort_value(raw: bytes) -> bytes:
    if _STRUCT_TAG not in raw or raw[0] not in (_STRUCT_TAG, _LIST_TAG):
        return raw
    value = _VALUE.FromString(raw)
    if value.HasField("struct_value"):
        value.struct_value.fields[:] = map(_sort_entry, sorted(value.struct_value.fields))
    else:
        value.list_value.values[:] = map(_sort_value, value.list_value.values)
    return bytes(value.SerializeToString())


def _digest_fields(point: Any, fields: tuple[str, ...]) -> Digest:
    digest = blake2b(digest_size=DIGEST_SIZE)
    payload = MESSAGES["Struct"](fields=point.payload)
    for field in fields:
        for value in _find_values(payload, field.split(".")):
            digest.update(b"v%d:" % len(value))
            digest.update(value)
        digest.update(b";")
    return digest.digest()


def _find_values(struct: Any, names: list[str]) -> Iterator[bytes]:
    """The values of a field, `names` leading into nested objects; of each entry of a list."""
    for raw in struct.fields:
        entry = _ENTRY.FromString(raw)
        if entry.key == names[0].removesuffix("[]"):
            yield from _descend(entry.value, names[1:])


def _descend(raw: bytes, names: list[str]) -> Iterator[bytes]:
    if not names:
        yield _sort_value(raw)
        return
    value = _VALUE.FromString(raw)
    if value.HasField("struct_value"):
        yield from _find_values(value.struct_value, names)
    for inner in value.list_value.values:
        yield from _descend(inner, names)


def _list_vectors(raw: bytes) -> Iterator[bytes]:
    """Names and numbers of vectors by name; the unnamed one may be in either form."""
    vectors = _VECTORS.FromString(raw)
    if vectors.HasField("vector"):
        yield b"\xff0:"
        yield from _list_numbers(vectors.vector)
    for entry in sorted(vectors.vectors.vectors, key=lambda entry: entry.key):
        name = entry.key.encode()
        yield b"\xff%d:" % len(name)
        yield name
        yield from _list_numbers(entry.value)


def _list_numbers(raw: bytes) -> tuple[bytes, ...]:
    """Kind, shape and numbers of one vector."""
    if _is_unpacked(raw):
        return b"d", _pack(raw)
    vector = _VECTOR.FromString(raw)
    if vector.HasField("dense"):
        return b"d", vector.dense.data
    if vector.HasField("sparse"):
        sparse = vector.sparse
        return b"s%d:" % len(sparse.values), sparse.values, sparse.indices
    if vector.HasField("multi_dense"):
        rows = vector.multi_dense.vectors
        return b"m%d:" % len(rows), *(row.data for row in rows)
    vector.DiscardUnknownFields()
    numbers = _pack(raw[: len(raw) - vector.ByteSize()])
    if vector.HasField("indices"):
        return b"s%d:" % len(numbers), numbers, vector.indices.data
    return b"m%d:" % vector.vectors_count, numbers


def _is_unpacked(raw: bytes) -> bool:
    """Whether these are numbers alone, each with its tag."""
    return len(raw) % 5 == 0 and raw[::5] == _FLOAT_TAG * (len(raw) // 5)


def _pack(raw: bytes) -> bytes:
    """Numbers without their tags."""
    packed = bytearray(len(raw) // 5 * 4)
    for place in range(4):
        packed[place::4] = raw[place + 1 :: 5]
    return bytes(packed)
