"""Points over REST, where gRPC cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.exchange import AnswerReader, request_target
from qdrantctl.adapters.qdrant.http import ConnectionFailed, HttpConnection, ResponseLost
from qdrantctl.adapters.qdrant.point_writes import is_under_way
from qdrantctl.adapters.qdrant.points import json_points
from qdrantctl.adapters.qdrant.points.payload_conditions import match_value
from qdrantctl.adapters.qdrant.points.sending import (
    RequestFailed,
    delay_write,
    judge_refusal,
    lose_answer,
    refuse_size,
)
from qdrantctl.adapters.qdrant.points.transport import MAX_BODY, Page
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.points import PointKey, PointPatch, RawPoint
from qdrantctl.model.replacement import MARK
from qdrantctl.model.step import Call, collection_path

_WHOLE = {"with_payload": True, "with_vector": True}
_IDS = {"with_payload": False, "with_vector": False}


class JsonTransport:
    """The REST form of a collection's points, or of those of a shard key."""

    key_of = staticmethod(json_points.key_of_json_point)
    digest_of = staticmethod(json_points.digest_json_point)
    digest_copy = staticmethod(json_points.digest_json_copy)
    decode_point = staticmethod(json_points.decode_json_point)
    encode_point = staticmethod(json_points.encode_json_point)

    def __init__(self, endpoint: Endpoint, collection: str, shard_key: str | int | None) -> None:
        self._endpoint = endpoint
        self._urls = list(dict.fromkeys((endpoint.url, *endpoint.nodes)))
        self._collection = collection
        self._shard: dict[str, Json] = {} if shard_key is None else {"shard_key": shard_key}
        self._connection = self._open_connection()

    def _open_connection(self) -> HttpConnection:
        endpoint = replace(self._endpoint, url=self._urls[0])
        return endpoint.connection(endpoint.api_key, endpoint.timeout)

    def reconnect(self) -> None:
        """Connect again, to the next node where several are known."""
        self._connection.close()
        self._urls.append(self._urls.pop(0))
        self._connection = self._open_connection()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def scroll_points(self, start: PointKey | None, limit: int, *, whole: bool) -> Page:
        """A page of points from a key on; ids alone unless `whole`."""
        offset = {} if start is None else {"offset": start.point_id}
        body = {"limit": limit} | offset | (_WHOLE if whole else _IDS)
        result, size = self._request("POST", "/points/scroll", body)
        following = result["next_page_offset"]
        return Page(
            result["points"], None if following is None else PointKey.parse(following), size
        )

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[RawPoint]:
        """The points of these keys, in any order."""
        body = {"ids": [key.point_id for key in keys]} | _WHOLE
        points: Sequence[RawPoint] = self._request("POST", "/points", body)[0]
        return points

    def query_random(self, limit: int) -> Sequence[PointKey]:
        """Random keys."""
        body = {"query": {"sample": "random"}, "limit": limit}
        result, _ = self._request("POST", "/points/query", body)
        return [PointKey.parse(point["id"]) for point in result["points"]]

    def count_points(self) -> int:
        """The exact number of points."""
        return int(self._request("POST", "/points/count", {"exact": True})[0]["count"])

    def upsert_points(self, points: Sequence[RawPoint], *, insert_only: bool) -> None:
        """Write points; with `insert_only` those that do not exist."""
        body: dict[str, Any] = {"points": list(map(json_points.strip_point, points))}
        if insert_only:
            body["update_filter"] = {"must": [{"has_id": []}]}
        self._write("PUT", "/points", len(points), body)

    def delete_points(self, keys: Sequence[PointKey], *, mark: str) -> None:
        """Delete points; with a mark only those that have it."""
        body: dict[str, Json] = {"points": [key.point_id for key in keys]}
        if mark:
            body = {"filter": _select_marked(keys, mark)}
        self._write("POST", "/points/delete", len(keys), body)

    def update_vectors(self, patches: Sequence[PointPatch], *, mark: str) -> None:
        """Set vectors of points that have this mark."""
        points = [
            {"id": patch.key.point_id, "vector": json_points.write_vectors(patch.vectors)}
            for patch in patches
        ]
        body = {"points": points, "update_filter": {"must": [_mark_condition(mark)]}}
        try:
            self._write("PUT", "/points/vectors", len(patches), body)
        except RequestFailed as failure:
            # A point was deleted since; the other ones are updated nevertheless.
            if not failure.error.not_found:
                raise

    def update_payloads(self, patches: Sequence[PointPatch], *, mark: str) -> None:
        """Drop vectors and change payloads of points that have this mark."""
        operations = [
            {name: {**change, "filter": {"must": [*marked, *unchanged]}, **self._shard}}
            for patch in patches
            for marked in [_select_marked([patch.key], mark)["must"]]
            for name, change, unchanged in _list_changes(patch, mark)
        ]
        self._write("POST", "/points/batch", len(patches), {"operations": operations})

    def delete_all_marks(self) -> None:
        """Delete the mark of every point that has one."""
        marked = {"must_not": [{"is_empty": {"key": MARK}}]}
        self._write("POST", "/points/payload/delete", 1, {"keys": [MARK], "filter": marked})

    def set_mark(self, keys: Sequence[PointKey], mark: str) -> None:
        """Set the payload value of the mark."""
        body = {"payload": {MARK: mark}} | _select_existing(keys)
        self._write("POST", "/points/payload", len(keys), body)

    def delete_mark(self, keys: Sequence[PointKey]) -> None:
        """Delete the payload value of the mark."""
        body = {"keys": [MARK]} | _select_existing(keys)
        self._write("POST", "/points/payload/delete", len(keys), body)

    def _write(self, method: str, path: str, count: int, body: Mapping[str, Json]) -> None:
        """Write `count` points, and wait until that is carried out. Raises RequestFailed."""
        result, _ = self._request(method, path, body, count=count)
        if any(map(is_under_way, result if isinstance(result, list) else [result])):
            raise delay_write(self._urls[0], self._describe_call(method, path))

    def _describe_call(self, method: str, path: str) -> Call:
        return Call(method=method, path=collection_path(self._collection) + path)

    def _request(
        self, method: str, path: str, body: Mapping[str, Json], *, count: int = 0
    ) -> tuple[Json, int]:
        """The result and the size of the response; with a count it writes that many points."""
        call, url = self._describe_call(method, path), self._urls[0]
        answers = AnswerReader(url, self._endpoint.api_key, self._endpoint.key_hint)
        data = orjson.dumps({**body, **self._shard})
        if count > 1 and len(data) > MAX_BODY:
            raise refuse_size(url, call, len(data))
        target = request_target(call) + ("?wait=true" if count else "")
        try:
            answer = self._connection.send(call.method, target, data, writes=count > 0)
        except (ConnectionFailed, ResponseLost) as error:
            failure = lose_answer(answers.unanswered(error, call))
        else:
            result = _find_result(answer.body) if answer.status == 200 else None
            if result is not None:
                return result, len(answer.body)
            failure = judge_refusal(answers, answer, call, len(data))
        failure.error.maybe_applied &= count > 0
        raise failure


def _find_result(body: bytes) -> Json:
    """The result in a response; None where it is not Qdrant's."""
    try:
        parsed = orjson.loads(body)
    except ValueError:
        return None
    return parsed.get("result") if isinstance(parsed, dict) else None


def _select_existing(keys: Sequence[PointKey]) -> dict[str, Json]:
    """Those of these points that exist; payload operations on a list of ids fail if one is gone."""
    return {"filter": {"must": [{"has_id": [key.point_id for key in keys]}]}}


def _select_marked(keys: Sequence[PointKey], mark: str) -> dict[str, Json]:
    return {"must": [{"has_id": [key.point_id for key in keys]}, _mark_condition(mark)]}


def _mark_condition(mark: str) -> dict[str, Json]:
    return {"key": MARK, "match": {"value": mark}}


def _list_changes(
    patch: PointPatch, mark: str
) -> Iterator[tuple[str, dict[str, Json], list[dict[str, Json]]]]:
    """The operations of a patch but for vectors to set, and the conditions of each.

    Each payload key has an operation of its own, so that one that an application changed meanwhile
    does not hold up the others. The mark stays until all is done.
    """
    before = patch.payload_before
    if patch.dropped_vectors:
        yield "delete_vectors", {"vector": list(patch.dropped_vectors)}, []
    if patch.replaces_payload:
        unchanged = [each for key in before for each in match_value(key, before[key])]
        yield "overwrite_payload", {"payload": {**patch.payload, MARK: mark}}, unchanged
        return
    for key, value in patch.payload.items():
        unchanged = list(match_value(key, before.get(key, ABSENT)))
        yield "set_payload", {"payload": {key: value}}, unchanged
    for key in patch.dropped_keys:
        yield "delete_payload", {"keys": [key]}, list(match_value(key, before.get(key, ABSENT)))
