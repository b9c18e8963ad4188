"""Points over gRPC: messages are passed from one collection to another without being parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.exchange import AnswerReader
from qdrantctl.adapters.qdrant.grpc_channel import grpc, load_roots, open_channel
from qdrantctl.adapters.qdrant.points.messages import MESSAGES
from qdrantctl.adapters.qdrant.points.sending import (
    RequestFailed,
    as_answer,
    delay_write,
    judge_refusal,
    lose_answer,
    refuse_size,
)
from qdrantctl.adapters.qdrant.points.transport import MAX_BODY, Page
from qdrantctl.adapters.qdrant.points.wire_digest import (
    digest_copy,
    digest_point,
    key_of_point,
    parse_key,
)
from qdrantctl.adapters.qdrant.points.wire_fields import convert_to_written
from qdrantctl.adapters.qdrant.points.wire_requests import (
    WITH,
    WITHOUT,
    encode_mark,
    encode_point_id,
    encode_shard_key,
    no_point,
    select_existing,
    select_points,
)
from qdrantctl.model.points import Point, PointKey, RawPoint
from qdrantctl.model.replacement import MARK
from qdrantctl.model.step import Call, collection_path

UNFINISHED_WRITE = 4
"""The UpdateStatus of a write that is under way."""
_Code = grpc.StatusCode
_STATUSES = {
    _Code.INVALID_ARGUMENT: 400,
    _Code.UNAUTHENTICATED: 401,
    _Code.PERMISSION_DENIED: 403,
    _Code.NOT_FOUND: 404,
    _Code.ALREADY_EXISTS: 409,
    _Code.OUT_OF_RANGE: 413,
    _Code.RESOURCE_EXHAUSTED: 429,
    _Code.UNIMPLEMENTED: 501,
}
"""The HTTP statuses with the same meaning; 500 for others."""
_LOST = (_Code.UNAVAILABLE, _Code.DEADLINE_EXCEEDED, _Code.CANCELLED, _Code.ABORTED)


_RESPONSES = {
    "Scroll": "ScrollResponse",
    "Get": "GetResponse",
    "Query": "QueryResponse",
    "Count": "CountResponse",
}
_REQUESTS = {
    "Upsert": "UpsertPoints",
    "Delete": "DeletePoints",
    "SetPayload": "SetPayloadPoints",
    "DeletePayload": "DeletePayloadPoints",
}
"""Messages by method."""


class WireTransport:
    """The gRPC form of a collection's points, or of those of a shard key."""

    key_of, digest_of = staticmethod(key_of_point), staticmethod(digest_point)
    digest_copy = staticmethod(digest_copy)

    def __init__(
        self,
        endpoint: Endpoint,
        addresses: Sequence[str],
        collection: str,
        shard_key: str | int | None,
    ) -> None:
        self._endpoint, self._addresses = endpoint, list(addresses)
        self._metadata = (("api-key", endpoint.api_key),) if endpoint.api_key else ()
        self._collection = collection
        self._selector = encode_shard_key(shard_key)
        self._roots = (
            load_roots(endpoint.tls.ca_file) if endpoint.url.startswith("https:") else None
        )
        self._channel = self._open_channel()

    def _open_channel(self) -> grpc.Channel:
        return open_channel(self._addresses[0], self._roots, self._endpoint.tls)

    def reconnect(self) -> None:
        """Connect again, to the next node where several are known."""
        self._channel.close()
        self._addresses.append(self._addresses.pop(0))
        self._channel = self._open_channel()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def scroll_points(self, start: PointKey | None, limit: int, *, whole: bool) -> Page:
        """A page of points from a key on; ids alone unless `whole`."""
        response, size = self._read(
            "Scroll",
            "/points/scroll",
            MESSAGES["ScrollPoints"](
                collection_name=self._collection,
                offset=encode_point_id(start) if start else None,
                limit=limit,
                with_payload=WITH if whole else WITHOUT,
                with_vectors=WITH if whole else WITHOUT,
                shard_key_selector=self._selector,
            ),
        )
        following = response.next_page_offset
        return Page(list(response.result), parse_key(following) if following else None, size)

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[RawPoint]:
        """The points of these keys, in any order."""
        request = MESSAGES["GetPoints"](
            collection_name=self._collection,
            ids=map(encode_point_id, keys),
            with_payload=WITH,
            with_vectors=WITH,
            shard_key_selector=self._selector,
        )
        return list(self._read("Get", "/points", request)[0].result)

    def query_random(self, limit: int) -> Sequence[PointKey]:
        """Random keys."""
        request = MESSAGES["QueryPoints"](
            collection_name=self._collection,
            query=MESSAGES["Query"](sample=0),
            limit=limit,
            with_payload=WITHOUT,
            shard_key_selector=self._selector,
        )
        response, _ = self._read("Query", "/points/query", request)
        return [parse_key(point.id) for point in response.result]

    def count_points(self) -> int:
        """The exact number of points."""
        request = MESSAGES["CountPoints"](
            collection_name=self._collection, exact=True, shard_key_selector=self._selector
        )
        return int(self._read("Count", "/points/count", request)[0].result.count)

    def upsert_points(self, points: Sequence[RawPoint], *, insert_only: bool) -> None:
        """Write points. Their parts are copied as bytes, so this is the fast way."""
        self._write(
            "Upsert",
            "/points",
            len(points),
            points=map(convert_to_written, points),
            update_filter=no_point() if insert_only else None,
        )

    def delete_points(self, keys: Sequence[PointKey], *, mark: str) -> None:
        """Delete points; with a mark only those that have it."""
        self._write("Delete", "/points/delete", len(keys), points=select_points(keys, mark))

    def set_mark(self, keys: Sequence[PointKey], mark: str) -> None:
        """Set the payload value of the mark."""
        self._write(
            "SetPayload",
            "/points/payload",
            len(keys),
            payload=[encode_mark(mark)],
            points_selector=select_existing(keys),
        )

    def delete_mark(self, keys: Sequence[PointKey]) -> None:
        """Delete the payload value of the mark."""
        self._write(
            "DeletePayload",
            "/points/payload/delete",
            len(keys),
            keys=[MARK],
            points_selector=select_existing(keys),
        )

    def decode_point(self, point: RawPoint) -> Point:
        """The point as data."""
        from qdrantctl.adapters.qdrant.points import wire_points

        return wire_points.decode_point(point)

    def encode_point(self, point: Point) -> RawPoint:
        """The inverse."""
        from qdrantctl.adapters.qdrant.points import wire_points

        return wire_points.encode_point(point)

    def _read(self, method: str, path: str, request: Any) -> tuple[Any, int]:
        """The response and its size. Raises RequestFailed."""
        call = self._describe_call(path)
        try:
            answer = self._call(method, request.SerializeToString(), call)
        except RequestFailed as failure:
            failure.error.maybe_applied = False
            raise
        return MESSAGES[_RESPONSES[method]].FromString(answer), len(answer)

    def _write(self, method: str, path: str, count: int, **parts: Any) -> None:
        """Write `count` points, and wait until that is carried out. Raises RequestFailed."""
        call = self._describe_call(path)
        request = MESSAGES[_REQUESTS[method]](
            collection_name=self._collection,
            wait=True,
            shard_key_selector=self._selector,
            **parts,
        ).SerializeToString()
        if count > 1 and len(request) > MAX_BODY:
            raise refuse_size(self._url, call, len(request))
        response = MESSAGES["PointsOperationResponse"].FromString(self._call(method, request, call))
        if response.result.status == UNFINISHED_WRITE:
            raise delay_write(self._url, call)

    def _describe_call(self, path: str) -> Call:
        """A request in the terms of the REST API, for errors."""
        return Call(method="gRPC", path=collection_path(self._collection) + path)

    @property
    def _url(self) -> str:
        return f"grpc://{self._addresses[0]}"

    def _call(self, method: str, request: bytes, call: Call) -> bytes:
        send: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            f"/qdrant.Points/{method}"
        )
        try:
            return send(request, timeout=self._endpoint.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._explain(error, call, len(request)) from None

    def _explain(self, error: grpc.RpcError, call: Call, size: int) -> RequestFailed:
        code, words = error.code(), str(error.details() or "")
        answers = AnswerReader(self._url, self._endpoint.api_key, self._endpoint.key_hint)
        if code in _LOST:
            lost = answers.error(
                f"no complete answer to {call.method} {call.path}",
                why=words.rpartition("last error: ")[2],
                hint="Check the server's log, and whether every node is up.",
                maybe=True,
            )
            return lose_answer(lost)
        trailing: Any = error.trailing_metadata() or ()
        seconds = str(dict(trailing).get("retry-after", ""))
        retry_after = float(seconds) if seconds.isdecimal() else 0.0
        answer = as_answer(_STATUSES.get(code, 500), words, retry_after)
        return judge_refusal(answers, answer, call, size)
