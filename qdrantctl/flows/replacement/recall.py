"""How many of the 10 nearest points a search of a collection finds, compared with exact search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.replacement.gate_points import GatePoints
from qdrantctl.model.client import Client
from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call, collection_path

QUERIES = 100
"""Searches for each vector: the mean of 1,000 neighbours is within two percent."""
_NEAREST = 10


def measure_recall(
    job: JobContext, collection: str, spec: Mapping[str, Any], points: GatePoints
) -> dict[str, float]:
    """The mean share from 0 to 1 for each dense vector, by its name. Raises ClusterError.

    The queries are vectors of random points of the collection. Such a point is its own nearest
    one, so it is left out. Sparse vectors are searched exactly by every search.
    """
    shares = {}
    for name, queries in _sample_queries(spec, points).items():
        task = f"collection/{collection}: recall{f' by {name}' if name else ''}"
        search = _Search(job.client, collection, name, points.shard_keys)
        try:
            total = 0.0
            for done, (point_id, vector) in enumerate(queries):
                job.raise_if_cancelled()
                job.progress.show_amount(task, done, len(queries), "points")
                total += search.share_of(point_id, vector)
            shares[name] = total / len(queries)
        finally:
            job.progress.end_task(task)
    return shares


def _sample_queries(
    spec: Mapping[str, Any], points: GatePoints
) -> dict[str, list[tuple[Json, Json]]]:
    """Ids and vectors of random points, by the name of the vector."""
    queries: dict[str, list[tuple[Json, Json]]] = defaultdict(list)
    count = -(-QUERIES // len(points.shard_keys))
    for shard_key in points.shard_keys:
        with points.pair_of(shard_key) as (_, target):
            for raw in target.fetch_points(target.sample_keys(count)):
                point = target.decode_point(raw)
                for name in spec.get("vectors") or {}:
                    if vector := point.vectors.get(name):
                        queries[name].append((point.key.point_id, vector))
    return queries


class _Search:
    """Searches of one vector."""

    def __init__(
        self, client: Client, collection: str, name: str, shard_keys: Sequence[Json]
    ) -> None:
        self._client, self._path = client, collection_path(collection, "points", "query")
        self._body: dict[str, Json] = {"limit": _NEAREST + 1, "with_payload": False}
        if name:
            self._body["using"] = name
        if keys := [key for key in shard_keys if key is not None]:
            self._body["shard_key"] = keys  # without them no shard of custom sharding is searched

    def share_of(self, point_id: Json, vector: Json) -> float:
        """The share of the nearest points of an exact search that the ordinary search finds.

        Where more points are equally near than are asked for, each of them counts.
        """
        exact = self._nearest(point_id, {"query": vector, "params": {"exact": True}})
        if not exact:
            return 1.0
        found = self._nearest(point_id, {"query": vector})
        farthest = exact[-1][1]
        ids = {near_id for near_id, _ in exact}
        hits = sum(near_id in ids or score == farthest for near_id, score in found)
        return min(int(hits), len(exact)) / len(exact)

    def _nearest(self, point_id: Json, query: Mapping[str, Json]) -> list[tuple[Json, float]]:
        call = Call(method="POST", path=self._path, body={**self._body, **query})
        points = self._client.request(call)["points"]
        others = [(p["id"], p["score"]) for p in points if p["id"] != point_id]
        return others[:_NEAREST]
