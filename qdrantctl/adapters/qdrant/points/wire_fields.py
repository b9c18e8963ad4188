"""The parts of points in gRPC form, found by their lengths, so that no number is decoded.

A RetrievedPoint and a PointStruct have the same parts: only the number of the payload differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from qdrantctl.adapters.qdrant.points.messages import MESSAGES

ONE_BYTE = 0x7F
"""The greatest number of variable length in one byte, and the bits of it in each byte."""
_CONTINUED = 0x80
"""The bit of a byte after which a length, or the number of a field, goes on."""
_WIRE_TYPE, _DELIMITED = 0b111, 2
"""The bits of a tag that tell the type, and the type of what has a length."""


def _join_field(tag: bytes, body: bytes) -> bytes:
    return tag + _write_varint(len(body)) + body


@lru_cache(maxsize=4096)
def _write_varint(value: int) -> bytes:
    """The inverse of `read_varint`. Lengths are few, so they are kept."""
    written = bytearray()
    while value > ONE_BYTE:
        written.append(value & ONE_BYTE | _CONTINUED)
        value >>= 7
    written.append(value)
    return bytes(written)


def tag_of(message: str, field: str) -> bytes:
    """What comes before the length of a field."""
    number = MESSAGES[message].DESCRIPTOR.fields_by_name[field].number
    return _write_varint(number << 3 | _DELIMITED)


_ID, _VECTORS = tag_of("RetrievedPoint", "id"), tag_of("RetrievedPoint", "vectors")
_PAYLOAD_READ, _PAYLOAD_WRITTEN = (tag_of(m, "payload") for m in ("RetrievedPoint", "PointStruct"))
_ID_BYTE, _PAYLOAD_BYTE, _VECTORS_BYTE = _ID[0], _PAYLOAD_READ[0], _VECTORS[0]
_VECTOR, _DENSE = tag_of("VectorsOutput", "vector"), tag_of("VectorOutput", "dense")
_DATA = tag_of("DenseVector", "data")
_FLOAT_TAG = b"\x0d"
_TAGGED = np.dtype([("tag", "u1"), ("number", "<u4")])
"""A number of a vector as servers before 1.17 send it, after its tag."""
TAGGED_BYTES = _TAGGED.itemsize


class PointParts(NamedTuple):
    """The parts of a point."""

    raw: bytes
    """The point."""
    point_id: bytes
    """A PointId."""
    entries: list[bytes]
    """The PayloadEntries, each after its length, in the order in which they were sent."""
    begin: int
    """Where in `raw` the VectorsOutput begins: it is not copied, because it is large."""
    end: int
    """Where it ends; the same if there is none."""


def split_point(raw: bytes) -> PointParts:
    """The parts of a RetrievedPoint."""
    point_id, entries = b"", []
    vectors_begin = vectors_end = position = 0
    size_of_point = len(raw)
    while position < size_of_point:
        tag, size, begin = raw[position], raw[position + 1], position + 2
        if size > ONE_BYTE:
            size, begin = read_varint(raw, position + 1)
        start, position = position, begin + size
        if tag == _PAYLOAD_BYTE:
            entries.append(raw[start + 1 : position])
        elif tag == _VECTORS_BYTE:
            vectors_begin, vectors_end = begin, position
        elif tag == _ID_BYTE:
            point_id = raw[begin:position]
        elif tag > ONE_BYTE or tag & _WIRE_TYPE != _DELIMITED:
            return split_point(drop_unknown_fields(raw))
    return PointParts(raw, point_id, entries, vectors_begin, vectors_end)


def drop_unknown_fields(raw: bytes) -> bytes:
    """A point without the fields that newer servers may send, which may have no length."""
    point = MESSAGES["RetrievedPoint"].FromString(raw)
    point.DiscardUnknownFields()
    return bytes(point.SerializeToString())


def convert_to_written(raw: bytes) -> bytes:
    """A RetrievedPoint as the PointStruct that writes the same point."""
    point = split_point(raw)
    parts = [_ID, _write_varint(len(point.point_id)), point.point_id]
    if point.entries:
        parts += [_PAYLOAD_WRITTEN, _PAYLOAD_WRITTEN.join(point.entries)]
    if point.begin < point.end:
        packed = _pack_vectors(point.raw, point.begin, point.end)
        parts += [_VECTORS, _write_varint(sum(map(len, packed))), *packed]
    return b"".join(parts)


def _pack_vectors(raw: bytes, begin: int, end: int) -> Sequence[bytes]:
    """Vectors with the numbers of dense ones in the newer form, which servers read much faster."""
    if raw[begin] == _VECTOR[0]:
        _, first = read_varint(raw, begin + 1)
        numbers = strip_tags(raw, first, end)
        if numbers is None:
            return (raw[begin:end],)
        head = _frame_numbers(len(numbers))
        return _VECTOR, _write_varint(len(head) + len(numbers)), head, numbers
    vectors = MESSAGES["VectorsOutput"].FromString(raw[begin:end])
    for entry in vectors.vectors.vectors:
        value = entry.value
        if (numbers := strip_tags(value, 0, len(value))) is not None:
            entry.value = _frame_numbers(len(numbers)) + numbers
    return (bytes(vectors.SerializeToString()),)


def _frame_numbers(size: int) -> bytes:
    """What comes before the numbers in a vector of the newer form."""
    data = _DATA + _write_varint(size)
    return _DENSE + _write_varint(len(data) + size) + data


def strip_tags(raw: bytes, begin: int, end: int) -> bytes | None:
    """The numbers of a dense vector from a server before 1.17; None if it is something else."""
    count, rest = divmod(end - begin, TAGGED_BYTES)
    if rest or not count or raw[begin:end:TAGGED_BYTES] != _FLOAT_TAG * count:
        return None
    return drop_tags(raw, count, begin)


def drop_tags(raw: bytes, count: int, begin: int = 0) -> bytes:
    """So many numbers alone, where each comes after its tag."""
    return np.frombuffer(raw, _TAGGED, count, begin)["number"].tobytes()


def read_varint(raw: bytes, position: int) -> tuple[int, int]:
    """A number of variable length, and the position after it."""
    value = raw[position]
    if value <= ONE_BYTE:
        return value, position + 1
    value, shift = value & ONE_BYTE, 7
    while (byte := raw[position := position + 1]) & _CONTINUED:
        value |= (byte & ONE_BYTE) << shift
        shift += 7
    return value | byte << shift, position + 1
