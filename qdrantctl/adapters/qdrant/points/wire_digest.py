"""Digests and keys of points in gRPC form: no number of a vector is decoded.

Two things are not the same each time the same point is read. The entries of maps come in any order,
so protobuf writes them anew in the order of their keys. And servers before 1.17 write vectors in
fields that newer ones no longer use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha1
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.adapters.qdrant.points.transport import DIGEST_SIZE
from qdrantctl.adapters.qdrant.points.wire_fields import (
    TAGGED_BYTES,
    drop_tags,
    drop_unknown_fields,
    read_varint,
    split_point,
    strip_tags,
    tag_of,
)
from qdrantctl.model.points import Digest, PointKey
from qdrantctl.model.replacement import MARK

_CONTENT = MESSAGES["PointContent"]
_OF_ITS_PLACE = ("shard_key", "order_value")
"""Fields of where a point was read, and in which order."""
_VECTORS, _VECTOR = MESSAGES["VectorsOutput"], MESSAGES["VectorOutput"]
_ID_BYTE = tag_of("RetrievedPoint", "id")[0]
_UUID_TAG = tag_of("PointId", "uuid")[0]
_UNNAMED_BYTE = tag_of("VectorsOutput", "vector")[0]
_MARK_BYTES = MARK.encode()


def key_of_point(raw: bytes) -> PointKey:
    """The key of a RetrievedPoint, which comes first."""
    return parse_key(raw[2 : 2 + raw[1]] if raw[0] == _ID_BYTE else split_point(raw).point_id)


def parse_key(raw: bytes) -> PointKey:
    """The key in a PointId."""
    value, begin = read_varint(raw, 1)
    if raw[0] == _UUID_TAG:
        return PointKey(True, int(raw[begin:].replace(b"-", b""), 16))
    return PointKey(False, value)


def digest_point(raw: bytes, fields: tuple[str, ...] | None = None) -> Digest:
    """The digest of a RetrievedPoint; see PointStore."""
    try:
        content = _CONTENT.FromString(raw)
    except DecodeError:  # its objects are deeper within each other than a server takes over gRPC
        _, _, entries, begin, end = split_point(raw)
        return _digest(b"".join((*sorted(entries), raw[begin:end])))
    return _digest_content(content, raw, fields)


def digest_copy(raw: bytes, copy: bytes) -> tuple[Digest, Digest]:
    """The digests of two RetrievedPoints; see PointStore."""
    try:
        content = _CONTENT.FromString(raw)
        is_equal = raw == copy or content == _CONTENT.FromString(copy)
    except DecodeError:
        is_equal = False
    if not is_equal:
        return digest_point(raw), digest_point(copy)
    digest = _digest_content(content, raw)
    return digest, digest


def _digest_content(content: Any, raw: bytes, fields: tuple[str, ...] | None = None) -> Digest:
    """The digest of a point that was parsed, and loses parts here."""
    if len(UnknownFieldSet(content)):
        content = _CONTENT.FromString(drop_unknown_fields(raw))
    if fields:
        return _digest(b"".join(_list_fields(content.payload, fields)))
    vectors = content.vectors
    content.ClearField("vectors")
    for name in _OF_ITS_PLACE:
        if content.HasField(name):
            content.ClearField(name)
    if _MARK_BYTES in raw:
        content.payload.pop(MARK, None)
    text = content.SerializeToString(deterministic=True)
    return _digest(text if fields is not None else b"".join((text, *_list_vectors(vectors))))


def _digest(text: bytes) -> Digest:
    return sha1(text, usedforsecurity=False).digest()[:DIGEST_SIZE]


def _list_fields(payload: Mapping[str, Any], fields: tuple[str, ...]) -> Iterator[bytes]:
    """The values of fields, each after its length."""
    for field in fields:
        for value in _find_values(payload, field.split(".")):
            text = value.SerializeToString(deterministic=True)
            yield b"%d:" % len(text)
            yield text
        yield b";"


def _find_values(payload: Mapping[str, Any], names: list[str]) -> Iterator[Any]:
    """The values of a field, `names` leading into nested objects; of each entry of a list."""
    if (name := names[0].removesuffix("[]")) in payload:
        yield from _descend(payload[name], names[1:])


def _descend(value: Any, names: list[str]) -> Iterator[Any]:
    if not names:
        yield value
    elif value.HasField("struct_value"):
        yield from _find_values(value.struct_value.fields, names)
    elif value.HasField("list_value"):
        for item in value.list_value.values:
            yield from _descend(item, names)


def _list_vectors(raw: bytes) -> Sequence[bytes]:
    """Names and numbers of vectors by name; the unnamed one may be in either form."""
    if raw and raw[0] == _UNNAMED_BYTE:
        return b"\xff0:", *_list_numbers(raw, read_varint(raw, 1)[1])
    vectors = _VECTORS.FromString(raw)
    parts: list[bytes] = []
    for entry in sorted(vectors.vectors.vectors, key=lambda entry: entry.key):
        name = entry.key.encode()
        parts += [b"\xff%d:" % len(name), name, *_list_numbers(entry.value)]
    return parts


def _list_numbers(raw: bytes, begin: int = 0) -> tuple[bytes, ...]:
    """Kind, shape and numbers of one vector."""
    numbers = strip_tags(raw, begin, len(raw)) if begin < len(raw) else b""
    if numbers is not None:
        return b"d", numbers
    raw = raw[begin:]
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
    numbers = drop_tags(raw, (len(raw) - vector.ByteSize()) // TAGGED_BYTES)
    if vector.HasField("indices"):
        return b"s%d:" % len(numbers), numbers, vector.indices.data
    return b"m%d:" % vector.vectors_count, numbers
