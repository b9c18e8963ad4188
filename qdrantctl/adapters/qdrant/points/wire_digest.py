"""Digests and keys of points in gRPC form, from their bytes: no number is decoded.

Two things are not the same each time the same point is read. The entries of maps come in any order,
and servers before 1.17 write vectors in fields that newer ones no longer use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha1

from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.adapters.qdrant.points.transport import DIGEST_SIZE
from qdrantctl.adapters.qdrant.points.wire_fields import (
    ONE_BYTE,
    TAGGED_BYTES,
    drop_tags,
    read_varint,
    split_point,
    strip_tags,
    tag_of,
)
from qdrantctl.model.points import Digest, PointKey
from qdrantctl.model.replacement import MARK

_VECTORS, _VECTOR = MESSAGES["VectorsOutput"], MESSAGES["VectorOutput"]
_ID_BYTE = tag_of("RetrievedPoint", "id")[0]
_UUID_TAG, _KEY_TAG = tag_of("PointId", "uuid")[0], tag_of("PayloadEntry", "key")[0]
_STRUCT, _FIELD = tag_of("Value", "struct_value"), tag_of("Struct", "fields")
_LIST, _ITEM = tag_of("Value", "list_value"), tag_of("ListValue", "values")
_NESTED = _STRUCT + _LIST
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
    raw, _, entries, begin, end = split_point(raw)
    if fields:
        return _digest_fields(entries, fields)
    if _MARK_BYTES in raw:
        entries = [entry for entry in entries if _split_entry(entry)[0] != _MARK_BYTES]
    parts = _list_vectors(raw, begin, end) if fields is None else ()
    return _digest(b"".join((*sorted(map(_sort_entry, entries)), *parts)))


def _digest(text: bytes) -> Digest:
    return sha1(text, usedforsecurity=False).digest()[:DIGEST_SIZE]


def _split_entry(entry: bytes) -> tuple[bytes, int]:
    """The key of an entry, which comes after its length, and where its value begins."""
    if entry[0] <= ONE_BYTE and entry[1] == _KEY_TAG:  # then no length in it is longer
        end = entry[2] + 3
        return entry[3:end], end + 2
    key, (_, begin) = b"", read_varint(entry, 0)
    while begin < len(entry):
        tag, size, begin = entry[begin], entry[begin + 1], begin + 2
        if size > ONE_BYTE:
            size, begin = read_varint(entry, begin - 1)
        if tag != _KEY_TAG:
            break
        key, begin = entry[begin : begin + size], begin + size
    return key, begin


def _sort_entry(entry: bytes) -> bytes:
    """An entry with the entries of each object in its value in the order of their bytes."""
    if _STRUCT not in entry:
        return entry
    _, begin = _split_entry(entry)
    if entry[begin : begin + 1] not in _NESTED:
        return entry
    return entry[:begin] + _sort_value(entry[begin:])


def _sort_value(raw: bytes) -> bytes:
    """The same for a Value. Its length stays as it is."""
    tag = raw[:1]
    if tag == _STRUCT:
        begin, entries = _split_repeated(raw)
        return _FIELD.join((raw[:begin], *sorted(map(_sort_entry, entries))))
    if tag == _LIST and _STRUCT in raw:
        begin, items = _split_repeated(raw)
        return _ITEM.join((raw[:begin], *map(_sort_item, items)))
    return raw


def _sort_item(item: bytes) -> bytes:
    _, begin = read_varint(item, 0)
    return item[:begin] + _sort_value(item[begin:])


def _split_repeated(raw: bytes) -> tuple[int, list[bytes]]:
    """Where the only field of an object or a list begins, and its bodies, each after its length."""
    found: list[bytes] = []
    _, first = read_varint(raw, 1)
    position = first
    while position < len(raw):
        start, size = position + 1, raw[position + 1]
        position += size + 2
        if size > ONE_BYTE:
            size, begin = read_varint(raw, start)
            position = begin + size
        found.append(raw[start:position])
    return first, found


def _digest_fields(entries: Sequence[bytes], fields: tuple[str, ...]) -> Digest:
    parts: list[bytes] = []
    for field in fields:
        for value in _find_values(entries, field.split(".")):
            parts += [b"%d:" % len(value), value]
        parts.append(b";")
    return _digest(b"".join(parts))


def _find_values(entries: Sequence[bytes], names: list[str]) -> Iterator[bytes]:
    """The values of a field, `names` leading into nested objects; of each entry of a list."""
    name = names[0].removesuffix("[]").encode()
    for entry in entries:
        key, begin = _split_entry(entry)
        if key == name:
            yield from _descend(entry[begin:], names[1:])


def _descend(raw: bytes, names: list[str]) -> Iterator[bytes]:
    if not names:
        yield _sort_value(raw)
    elif raw[:1] == _STRUCT:
        yield from _find_values(_split_repeated(raw)[1], names)
    elif raw[:1] == _LIST:
        for item in _split_repeated(raw)[1]:
            yield from _descend(item[read_varint(item, 0)[1] :], names)


def _list_vectors(raw: bytes, begin: int, end: int) -> Sequence[bytes]:
    """Names and numbers of vectors by name; the unnamed one may be in either form."""
    if begin < end and raw[begin] == _UNNAMED_BYTE:
        return b"\xff0:", *_list_numbers(raw, read_varint(raw, begin + 1)[1], end)
    vectors = _VECTORS.FromString(raw[begin:end])
    parts: list[bytes] = []
    for entry in sorted(vectors.vectors.vectors, key=lambda entry: entry.key):
        name = entry.key.encode()
        parts += [b"\xff%d:" % len(name), name, *_list_numbers(entry.value, 0, len(entry.value))]
    return parts


def _list_numbers(raw: bytes, begin: int, end: int) -> tuple[bytes, ...]:
    """Kind, shape and numbers of one vector."""
    numbers = strip_tags(raw, begin, end) if begin < end else b""
    if numbers is not None:
        return b"d", numbers
    raw = raw[begin:end]
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
