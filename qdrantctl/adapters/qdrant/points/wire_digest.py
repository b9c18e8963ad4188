"""Digests and keys of points in gRPC form, from their bytes: no number is decoded.

Two things are not the same each time the same point is read. The entries of maps come in any order,
and servers before 1.17 write vectors in fields that newer ones no longer use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha1
from typing import Any

import numpy as np

from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.adapters.qdrant.points.transport import DIGEST_SIZE
from qdrantctl.model.points import Digest, PointKey
from qdrantctl.model.replacement import MARK

_ID, _PAYLOAD_ENTRY, _VALUE = (MESSAGES[name] for name in ("PointId", "PayloadEntry", "Value"))
_VECTORS, _VECTOR = MESSAGES["VectorsOutput"], MESSAGES["VectorOutput"]
_UUID_TAG = 0x12
"""First byte of the ids that are UUIDs."""
_STRUCT_TAG = 0x32
_NESTED_TAGS = frozenset((b"\x32", b"\x3a"))
"""The first bytes of values that are objects or lists."""
_FLOAT_TAG = b"\x0d"
_TAGGED = np.dtype([("tag", "u1"), ("number", "<u4")])
"""A number of a vector as servers before 1.17 send it, after its tag."""
_MARK_BYTES = MARK.encode()


def key_of_point(point: Any) -> PointKey:
    """The key of a RetrievedPoint."""
    return parse_key(point.id)


def parse_key(raw: bytes) -> PointKey:
    """The key in a PointId."""
    point_id = _ID.FromString(raw)
    if raw[0] == _UUID_TAG:
        return PointKey(True, int(point_id.uuid.replace("-", ""), 16))
    return PointKey(False, point_id.num)


def digest_point(point: Any, fields: tuple[str, ...] | None = None) -> Digest:
    """The digest of a RetrievedPoint; see PointStore."""
    if fields:
        return _digest_fields(point, fields)
    # Keys differ, and the length of the key comes first, so the bytes of values do not matter.
    entries = sorted(point.payload[:])
    joined = b"".join(entries)
    if _MARK_BYTES in joined:
        entries = [raw for raw in entries if _PAYLOAD_ENTRY.FromString(raw).key != _MARK_BYTES]
    if _STRUCT_TAG in joined or _MARK_BYTES in joined:
        joined = b"".join(map(_sort_entry, entries))
    parts = _list_vectors(point.vectors) if fields is None else ()
    return _digest(b"".join((joined, *parts)))


def _digest(text: bytes) -> Digest:
    return sha1(text, usedforsecurity=False).digest()[:DIGEST_SIZE]


def _sort_entry(raw: bytes) -> bytes:
    """The bytes of an entry of a map, but for the order of entries in its value."""
    if _STRUCT_TAG not in raw:
        return raw
    entry = _PAYLOAD_ENTRY.FromString(raw)
    value = entry.value
    if value[:1] not in _NESTED_TAGS:
        return raw
    return b"%d:%b%b" % (len(entry.key), entry.key, _sort_value(value))


def _sort_value(raw: bytes) -> bytes:
    if _STRUCT_TAG not in raw or raw[:1] not in _NESTED_TAGS:
        return raw
    value = _VALUE.FromString(raw)
    if value.HasField("struct_value"):
        parts = [_sort_entry(entry) for entry in sorted(value.struct_value.fields[:])]
    else:
        parts = [_sort_value(inner) for inner in value.list_value.values]
    return b"%b%d:%b" % (raw[:1], len(parts), b"".join(parts))


def _digest_fields(point: Any, fields: tuple[str, ...]) -> Digest:
    payload, parts = MESSAGES["Struct"](fields=point.payload), []
    for field in fields:
        for value in _find_values(payload, field.split(".")):
            parts += [b"%d:" % len(value), value]
        parts.append(b";")
    return _digest(b"".join(parts))


def _find_values(struct: Any, names: list[str]) -> Iterator[bytes]:
    """The values of a field, `names` leading into nested objects; of each entry of a list."""
    for raw in struct.fields:
        entry = _PAYLOAD_ENTRY.FromString(raw)
        if entry.key == names[0].removesuffix("[]").encode():
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


def _list_vectors(raw: bytes) -> Sequence[bytes]:
    """Names and numbers of vectors by name; the unnamed one may be in either form."""
    vectors = _VECTORS.FromString(raw)
    if vectors.HasField("vector"):
        return b"\xff0:", *_list_numbers(vectors.vector)
    parts: list[bytes] = []
    for entry in sorted(vectors.vectors.vectors, key=lambda entry: entry.key):
        name = entry.key.encode()
        parts += [b"\xff%d:" % len(name), name, *_list_numbers(entry.value)]
    return parts


def _list_numbers(raw: bytes) -> tuple[bytes, ...]:
    """Kind, shape and numbers of one vector."""
    count, rest = divmod(len(raw), _TAGGED.itemsize)
    if not rest and raw[:: _TAGGED.itemsize] == _FLOAT_TAG * count:
        return b"d", _strip_tags(raw)
    vector = _VECTOR.FromString(raw)
    if vector.HasField("dense"):
        return b"d", vector.dense.data
    if vector.HasField("sparse"):
        sparse = vector.sparse
        return b"s%d:" % len(sparse.values), sparse.values, sparse.indices
    if vector.HasField("multi_dense"):
        rows = vector.multi_dense.vectors
        return b"m%d:" % len(rows), *(row.data for row in rows)
    vector.DiscardUnknownFields()  # the numbers, which come first
    numbers = _strip_tags(raw[: len(raw) - vector.ByteSize()])
    if vector.HasField("indices"):
        return b"s%d:" % len(numbers), numbers, vector.indices.data
    return b"m%d:" % vector.vectors_count, numbers


def _strip_tags(raw: bytes) -> bytes:
    return np.frombuffer(raw, _TAGGED)["number"].tobytes()
