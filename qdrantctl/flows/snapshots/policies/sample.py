"""Sample points of a collection and query results for them, compared when a set is verified."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from qdrantctl.kinds.collection.strict_mode import RATES, UNLIMITED
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import canonical_json
from qdrantctl.model.snapshots.snapshot_set import SampleQuery, SetManifest
from qdrantctl.model.step import Call, collection_path

SAMPLE_SIZE = 8
"""Maximum number of points in a sample."""
SCORE_TOLERANCE = 1e-4
"""Allowed difference of scores: machines sum floats in different orders."""
_STRICT = "strict_mode_config"


@dataclass(frozen=True, slots=True)
class Sample:
    """Points and query results of a collection at one time."""

    points: Mapping[str, str] = field(default_factory=dict)
    """Digests by point id as JSON."""
    queries: Mapping[str, SampleQuery] = field(default_factory=dict)
    """Query results by vector name; `""` is the unnamed vector."""

    def unchanged_in(self, other: Sample) -> Sample:
        """The part of the sample that is equal in another sample."""
        points = {i: digest for i, digest in self.points.items() if other.points.get(i) == digest}
        queries = {n: q for n, q in self.queries.items() if other.queries.get(n) == q}
        return Sample(points, queries if points == self.points else {})


def take_sample(
    client: Client, collection: str, spec: Mapping[str, Json], keys: Sequence[Json]
) -> Sample:
    """A sample of the first points; empty if strict-mode limits reject it. Raises ClusterError.

    `spec` is the live one, `keys` are the shard keys. A query restricted to the sampled points
    compares each of them exactly, so it is cheap and deterministic. Vectors with the modifier idf
    are excluded: their scores depend on all points of a shard, even deleted ones. A score that
    overflows is null and cannot be compared.
    """
    sparse = spec.get("sparse_vectors", {}).items()
    excluded = {name for name, vector in sparse if vector.get("modifier") == "idf"}
    request = {"limit": SAMPLE_SIZE, "with_payload": True, "with_vector": True}
    try:
        points = _read_points(client, collection, "scroll", request)["points"]
        ids = [point["id"] for point in points]
        queries: dict[str, SampleQuery] = {}
        for point in points:
            for name, vector in _vectors_of(point).items():
                if name not in queries and name not in excluded:
                    scores = _query_scores(client, collection, name, vector, ids, keys)
                    if all(map(_is_finite, scores.values())):
                        queries[name] = SampleQuery(point=json.dumps(point["id"]), scores=scores)
    except ClusterError as error:
        if error.from_qdrant and error.status < 500:
            return Sample()
        raise
    return Sample({json.dumps(point["id"]): _point_digest(point) for point in points}, queries)


def sample_differences(manifest: SetManifest, collection: str, client: Client) -> Iterator[str]:
    """The differences of a restored collection from the sample. Raises ClusterError.

    Strict-mode limits of the collection are lifted first: it exists only for the verification.
    """
    if not (manifest.sample and manifest.snapshot.quiet):
        return
    if _STRICT in manifest.snapshot.spec:
        body = {_STRICT: {"enabled": False} | dict.fromkeys(RATES, UNLIMITED)}
        client.request(Call(method="PATCH", path=collection_path(collection), body=body))
    ids = [json.loads(point) for point in manifest.sample]
    request = {"ids": ids, "with_payload": True, "with_vector": True}
    points = {
        json.dumps(point["id"]): point for point in _read_points(client, collection, "", request)
    }
    for point, digest in manifest.sample.items():
        if point not in points or _point_digest(points[point]) != digest:
            yield f"point {point} (differs)"
    keys = [key for key, _ in manifest.snapshot.keys]
    for name, query in manifest.queries.items():
        vector = _vectors_of(points.get(query.point, {})).get(name)
        if vector is None:
            continue  # reported already
        now = _query_scores(client, collection, name, vector, ids, keys)
        if now.keys() != query.scores.keys() or not all(
            _is_finite(now[i])
            and math.isclose(now[i], score, rel_tol=SCORE_TOLERANCE, abs_tol=SCORE_TOLERANCE)
            for i, score in query.scores.items()
        ):
            using = f" by vector {name!r}" if name else ""
            scores = f"scores {now}, expected {query.scores}"
            yield f"the query for point {query.point}{using} ({scores})"


def _read_points(client: Client, collection: str, endpoint: str, body: Mapping[str, Json]) -> Any:
    path = collection_path(collection, "points", *([endpoint] if endpoint else []))
    return client.request(Call(method="POST", path=path, body=dict(body)))


def _point_digest(point: Mapping[str, Json]) -> str:
    content = [point.get("vector"), point.get("payload")]
    return sha256(canonical_json(content).encode()).hexdigest()


def _vectors_of(point: Mapping[str, Json]) -> Mapping[str, Json]:
    vectors = point.get("vector") or {}
    return vectors if isinstance(vectors, dict) else {"": vectors}


def _query_scores(
    client: Client,
    collection: str,
    name: str,
    vector: Json,
    ids: Sequence[Json],
    keys: Sequence[Json],
) -> dict[str, Any]:
    """Scores of the points `ids`, by id as JSON; a score may be null."""
    body: dict[str, Json] = {
        "query": vector,
        "filter": {"must": [{"has_id": list(ids)}]},
        "limit": len(ids),
        "params": {"quantization": {"ignore": True}},
    }
    if name:
        body["using"] = name
    if keys:  # a collection with custom sharding needs the keys to query any shard
        body["shard_key"] = list(keys)
    points = _read_points(client, collection, "query", body)["points"]
    return {json.dumps(point["id"]): point["score"] for point in points}


def _is_finite(score: Any) -> bool:
    return isinstance(score, int | float) and math.isfinite(score)
