"""Some points of a collection, and what queries for them find: looked at now, and when verified."""

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

SAMPLED = 8
"""Points that are looked at."""
NEAR = 1e-4
"""How far scores may be apart: machines add floats up in other orders."""
_STRICT = "strict_mode_config"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen of a collection."""

    points: Mapping[str, str] = field(default_factory=dict)
    """Digests by ids as JSON."""
    queries: Mapping[str, SampleQuery] = field(default_factory=dict)
    """What was found, by vector name; `""` is the one without a name."""

    def both(self, other: Sample) -> Sample:
        """What did not change between two looks."""
        points = {i: digest for i, digest in self.points.items() if other.points.get(i) == digest}
        same = {n: q for n, q in self.queries.items() if other.queries.get(n) == q}
        return Sample(points, same if points == self.points else {})


def take_sample(
    client: Client, collection: str, spec: Mapping[str, Json], keys: Sequence[Json]
) -> Sample:
    """The first points; nothing where the server's caps forbid to look. Raises ClusterError.

    `spec` is the live one, `keys` are the shard keys. A query among the sampled points compares
    each of them, so it costs little and has one answer. Only with the modifier idf scores hang on
    what else a shard has seen, deleted points included. What is too large to be added up has a
    score of null, which can be compared with nothing.
    """
    sparse = spec.get("sparse_vectors", {}).items()
    without = {name for name, vector in sparse if vector.get("modifier") == "idf"}
    request = {"limit": SAMPLED, "with_payload": True, "with_vector": True}
    try:
        points = _read_points(client, collection, "scroll", request)["points"]
        ids = [point["id"] for point in points]
        queries: dict[str, SampleQuery] = {}
        for point in points:
            for name, vector in _vectors_of(point).items():
                if name not in queries and name not in without:
                    scores = _query_scores(client, collection, name, vector, ids, keys)
                    if all(map(_is_finite, scores.values())):
                        queries[name] = SampleQuery(point=json.dumps(point["id"]), scores=scores)
    except ClusterError as error:
        if error.status and error.status < 500:
            return Sample()
        raise
    return Sample({json.dumps(point["id"]): _point_digest(point) for point in points}, queries)


def unlike_sample(manifest: SetManifest, collection: str, client: Client) -> Iterator[str]:
    """What of the sample is not as it was. Raises ClusterError.

    The caps of the collection, which stands only for this, are lifted: its own readers are none.
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
            yield f"point {point} (not as it was)"
    keys = [key for key, _ in manifest.snapshot.keys]
    for name, query in manifest.queries.items():
        vector = _vectors_of(points.get(query.point, {})).get(name)
        if vector is None:
            continue  # told already
        now = _query_scores(client, collection, name, vector, ids, keys)
        if now.keys() != query.scores.keys() or not all(
            _is_finite(now[i]) and math.isclose(now[i], score, rel_tol=NEAR, abs_tol=NEAR)
            for i, score in query.scores.items()
        ):
            using = f" by vector {name!r}" if name else ""
            yield f"the query for point {query.point}{using} (finds {now}, found {query.scores})"


def _read_points(client: Client, collection: str, what: str, body: Mapping[str, Json]) -> Any:
    path = collection_path(collection, "points", *([what] if what else []))
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
    """Scores of the points `ids`, by id; not each of them need be a number."""
    body: dict[str, Json] = {
        "query": vector,
        "filter": {"must": [{"has_id": list(ids)}]},
        "limit": len(ids),
        "params": {"quantization": {"ignore": True}},
    }
    if name:
        body["using"] = name
    if keys:  # without, a collection of custom shards has none to ask
        body["shard_key"] = list(keys)
    points = _read_points(client, collection, "query", body)["points"]
    return {json.dumps(point["id"]): point["score"] for point in points}


def _is_finite(score: Any) -> bool:
    return isinstance(score, int | float) and math.isfinite(score)
