"""Points in gRPC form as data, and back, with the typed messages of qdrant-client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qdrant_client import grpc
from qdrant_client.conversions.conversion import GrpcToRest, grpc_to_payload, payload_to_grpc

from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.adapters.qdrant.points.wire_digest import key_of_point
from qdrantctl.adapters.qdrant.points.wire_requests import encode_point_id
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import Point


def decode_point(raw: bytes) -> Point:
    """A RetrievedPoint as data."""
    point = grpc.RetrievedPoint.FromString(raw)
    found = GrpcToRest.convert_vectors_output(point.vectors)
    named = found if isinstance(found, dict) else {"": found}
    return Point(
        key=key_of_point(raw),
        payload=grpc_to_payload(point.payload),
        vectors={name: _as_json(vector) for name, vector in named.items()},
    )


def _as_json(vector: Any) -> Json:
    if isinstance(vector, list):
        return vector
    return {"indices": list(vector.indices), "values": list(vector.values)}


def encode_point(point: Point) -> bytes:
    """The inverse, as a RetrievedPoint."""
    vectors = {name: _encode_vector(vector) for name, vector in point.vectors.items()}
    encoded = grpc.PointStruct(
        payload=payload_to_grpc(dict(point.payload)),
        vectors=grpc.Vectors(vector=vectors[""])
        if list(vectors) == [""]
        else grpc.Vectors(vectors=grpc.NamedVectors(vectors=vectors)),
    )
    written = MESSAGES["PointStruct"].FromString(encoded.SerializeToString())
    read = MESSAGES["RetrievedPoint"](
        id=encode_point_id(point.key), payload=written.payload, vectors=written.vectors
    )
    return bytes(read.SerializeToString())


def _encode_vector(vector: Json) -> grpc.Vector:
    if isinstance(vector, Mapping):
        return grpc.Vector(
            sparse=grpc.SparseVector(values=vector["values"], indices=vector["indices"])
        )
    if vector and isinstance(vector[0], list):
        rows = [grpc.DenseVector(data=row) for row in vector]
        return grpc.Vector(multi_dense=grpc.MultiDenseVector(vectors=rows))
    return grpc.Vector(dense=grpc.DenseVector(data=vector))
