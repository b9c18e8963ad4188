"""gRPC messages of points whose inner parts are bytes: they are passed on without being parsed.

Only the fields in use are declared. The numbers are those of the server's protos; a test compares
them with the protos of qdrant-client. The syntax is proto2, where each field that was set is sent.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _FIELD.TYPE_BYTES,
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
    "enum": _FIELD.TYPE_INT32,
}
MESSAGE_FIELDS = {
    # points, as they are read and as they are written
    "RetrievedPoint": "1 id bytes, 2 payload bytes*, 4 vectors bytes",
    "PointStruct": "1 id bytes, 3 payload bytes*, 4 vectors bytes",
    # inner parts, where a point is looked into
    "PointContent": "1 id bytes, 2 payload {Value}, 4 vectors bytes, 5 shard_key bytes, "
    "6 order_value bytes",
    "PointId": "1 num uint64, 2 uuid string",
    "PayloadEntry": "1 key bytes, 2 value bytes",
    "Value": "4 string_value bytes, 6 struct_value Struct, 7 list_value ListValue",
    "Struct": "1 fields {Value}",
    "ListValue": "1 values Value*",
    "VectorsOutput": "1 vector bytes, 2 vectors NamedVectorsOutput",
    "NamedVectorsOutput": "1 vectors VectorEntry*",
    "VectorEntry": "1 key string, 2 value bytes",
    # Servers before 1.17 send `data`, each number with its tag: no field of bytes can hold that.
    "VectorOutput": "2 indices SparseIndices, 3 vectors_count uint32, 101 dense DenseVector, "
    "102 sparse SparseVector, 103 multi_dense MultiDenseVector",
    "SparseIndices": "1 data bytes",
    "DenseVector": "1 data bytes",
    "SparseVector": "1 values bytes, 2 indices bytes",
    "MultiDenseVector": "1 vectors DenseVector*",
    # reads
    "ScrollPoints": "1 collection_name string, 3 offset bytes, 4 limit uint32, "
    "6 with_payload bytes, 7 with_vectors bytes, 9 shard_key_selector bytes",
    "ScrollResponse": "1 next_page_offset bytes, 2 result bytes*",
    "GetPoints": "1 collection_name string, 2 ids bytes*, 4 with_payload bytes, "
    "5 with_vectors bytes, 7 shard_key_selector bytes",
    "GetResponse": "1 result bytes*",
    "CountPoints": "1 collection_name string, 3 exact bool, 5 shard_key_selector bytes",
    "CountResponse": "1 result CountResult",
    "CountResult": "1 count uint64",
    "QueryPoints": "1 collection_name string, 3 query Query, 8 limit uint64, "
    "11 with_payload bytes, 13 shard_key_selector bytes",
    "Query": "7 sample enum",
    "QueryResponse": "1 result ScoredPoint*",
    "ScoredPoint": "1 id bytes",
    # writes
    "UpsertPoints": "1 collection_name string, 2 wait bool, 3 points bytes*, "
    "5 shard_key_selector bytes, 6 update_filter Filter",
    "DeletePoints": "1 collection_name string, 2 wait bool, 3 points PointsSelector, "
    "5 shard_key_selector bytes",
    "SetPayloadPoints": "1 collection_name string, 2 wait bool, 3 payload bytes*, "
    "5 points_selector PointsSelector, 7 shard_key_selector bytes",
    "DeletePayloadPoints": "1 collection_name string, 2 wait bool, 3 keys string*, "
    "5 points_selector PointsSelector, 7 shard_key_selector bytes",
    "PointsSelector": "1 points PointsIdsList, 2 filter Filter",
    "PointsIdsList": "1 ids bytes*",
    "Filter": "2 must Condition*",
    "Condition": "1 field FieldCondition, 3 has_id HasIdCondition",
    "FieldCondition": "1 key string, 2 match Match",
    "Match": "1 keyword string",
    "HasIdCondition": "1 has_id bytes*",
    "ShardKeySelector": "1 shard_keys ShardKey*",
    "ShardKey": "1 keyword string, 2 number uint64",
    "PointsOperationResponse": "1 result UpdateResult",
    "UpdateResult": "2 status enum",
    # the server
    "HealthCheckReply": "2 version string",
    "ListCollectionsResponse": "1 collections CollectionDescription*",
    "CollectionDescription": "1 name string",
}
"""Fields by message: number, name and type, with `*` where it is repeated, and in braces where it
is a map from strings to it."""


def _declare_messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="points.proto", package="p", syntax="proto2")
    for message, fields in MESSAGE_FIELDS.items():
        declared = file.message_type.add(name=message)
        for field in fields.split(", "):
            number, name, kind = field.split()
            if kind.startswith("{"):
                kind = _declare_map(declared, name, kind.strip("{}"))
            _declare_field(declared, int(number), name, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p.{name}"))
        for name in MESSAGE_FIELDS
    }


def _declare_field(declared: Any, number: int, name: str, kind: str) -> None:
    label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
    field = declared.field.add(name=name, number=number, label=label)
    kind = kind.removesuffix("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".p.{kind}"


def _declare_map(declared: Any, name: str, kind: str) -> str:
    """Declare the entries of a map; the kind of its field."""
    entry = declared.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _declare_field(entry, 1, "key", "string")
    _declare_field(entry, 2, "value", kind)
    return f"{declared.name}.{entry.name}*"


MESSAGES = _declare_messages()
"""Classes of messages by name. They are made at run time, so they have no static types."""
