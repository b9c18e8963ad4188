"""The messages declared at run time are those of the protos of the installed qdrant-client."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from qdrant_client import grpc
from qdrant_client.grpc import qdrant_pb2

from qdrantctl.adapters.qdrant.points.messages import MESSAGE_FIELDS, MESSAGES

OTHER_NAMES = {
    "PointContent": grpc.RetrievedPoint.DESCRIPTOR,
    "PayloadEntry": grpc.RetrievedPoint.DESCRIPTOR.nested_types_by_name["PayloadEntry"],
    "VectorEntry": grpc.NamedVectorsOutput.DESCRIPTOR.nested_types_by_name["VectorsEntry"],
}
LENGTH_DELIMITED = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING,
                    FieldDescriptor.TYPE_MESSAGE)  # fmt: skip
VARINT = (FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_INT32,
          FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64)  # fmt: skip


def descriptor(name: str) -> Descriptor:
    found: Descriptor = (
        OTHER_NAMES.get(name) or getattr(grpc, name, None) or getattr(qdrant_pb2, name)
    )
    return getattr(found, "DESCRIPTOR", found)


def wire_type(field: FieldDescriptor) -> str:
    if field.type in LENGTH_DELIMITED or (field.is_repeated and field.is_packed):
        return "bytes"
    return "varint" if field.type in VARINT else str(field.type)


@pytest.mark.parametrize("name", MESSAGE_FIELDS)
def test_every_declared_field_is_one_of_the_protos(name):
    fields = descriptor(name).fields_by_number
    for declared in MESSAGES[name].DESCRIPTOR.fields:
        field = fields[declared.number]
        assert field.name == declared.name
        assert wire_type(field) == wire_type(declared)
        assert declared.is_repeated == (field.is_repeated and not field.is_packed)


def same_form(read: Descriptor, written: Descriptor, seen: frozenset[str] = frozenset()) -> None:
    """What a server sends of a message must mean the same where a message is written."""
    if read.full_name in seen:
        return
    for field in read.fields:
        other = written.fields_by_number[field.number]
        assert (other.name, other.type) == (field.name, field.type), read.full_name
        assert other.is_repeated == field.is_repeated
        if field.message_type:
            same_form(field.message_type, other.message_type, seen | {read.full_name})


def test_the_parts_of_a_point_have_the_same_form_when_they_are_read_and_written():
    read, written = grpc.RetrievedPoint.DESCRIPTOR, grpc.PointStruct.DESCRIPTOR
    for name in ("id", "payload", "vectors"):
        parts = (message.fields_by_name[name] for message in (read, written))
        same_form(*(part.message_type for part in parts))
    known = {"id", "payload", "vectors", "shard_key", "order_value"}
    assert set(read.fields_by_name) == known, "a part of points that would not be copied"
    assert set(written.fields_by_name) == {"id", "payload", "vectors"}
