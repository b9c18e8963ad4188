"""Refuse upserts into a collection for a moment, so that nothing new comes before a switch.

Strict mode with `upsert_max_batchsize: 0` refuses every upsert with 400, on 1.16.3 as on 1.19.0;
deletions and changes of payload still pass. A limit that was never set can only be raised again:
2^63-1 means the same as absent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from qdrantctl.flows.cluster.nodes import JobContext, ask_nodes
from qdrantctl.flows.execution.send import repeat_unanswered
from qdrantctl.kinds.collection.steps import STRICT_MODE_SECTION
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path, wait_query

_UPSERT_CAP = "upsert_max_batchsize"
_BY_INDEX_ONLY = "unindexed_filtering_update"
NODES_AGREE_WITHIN = 2.0
"""Seconds until every node of a cluster knows a change that one of them has answered."""
IN_FLIGHT = 0.25
"""Seconds that a request takes between a node's check of limits and its shards, on a busy node."""


def read_caps(client: Client, collection: str) -> dict[str, Json]:
    """The strict mode of a collection; empty without one. Raises ClusterError."""
    info = client.request(Call(method="GET", path=collection_path(collection)))
    return dict(info["config"].get(STRICT_MODE_SECTION) or {})


def refuse_upserts(
    job: JobContext,
    collection: str,
    caps: Mapping[str, Json],
    shard_keys: Sequence[int | str | None] = (None,),
) -> None:
    """Refuse upserts on every node, and wait until those in flight are carried out.

    `caps` is the strict mode of the collection before. Where it is switched off, its other limits
    are lifted, so that nothing else is refused. Raises ClusterError.
    """
    body: dict[str, Any] = {"enabled": True, _UPSERT_CAP: 0}
    if not caps.get("enabled"):
        body |= {cap: _neutral(value) for cap, value in caps.items() if cap not in body}
    _set_caps(job.client, collection, body)
    _wait_for_nodes(job, collection, 0)
    time.sleep(IN_FLIGHT)
    for shard_key in shard_keys:
        pass_write_through(job.client, collection, shard_key)


def allow_upserts(client: Client, collection: str, caps: Mapping[str, Json]) -> None:
    """Set strict mode back to what it was. Raises ClusterError."""
    _set_caps(client, collection, {"enabled": False, _UPSERT_CAP: UNLIMITED, **caps})


def refuses_unindexed_updates(client: Client, collection: str) -> bool:
    """Whether a collection refuses updates by a field without an index. Raises ClusterError."""
    caps = read_caps(client, collection)
    return bool(caps.get("enabled")) and caps.get(_BY_INDEX_ONLY) is False


def set_unindexed_updates(client: Client, collection: str, *, allowed: bool) -> None:
    """Allow or refuse updates by a field without an index. Raises ClusterError."""
    _set_caps(client, collection, {_BY_INDEX_ONLY: allowed})


def pass_write_through(client: Client, collection: str, shard_key: int | str | None) -> None:
    """A deletion of nothing on every shard, or on those of a key: it is answered after all writes.

    Raises ClusterError.
    """
    path = collection_path(collection, "points", "delete")
    body: dict[str, Json] = {"filter": {"must": [{"has_id": []}]}}
    if shard_key is not None:
        body["shard_key"] = shard_key
    query = wait_query(client.server)
    client.request(Call(method="POST", path=path, query=query, body=body))


def _neutral(value: Json) -> Json:
    """A value of a cap that refuses nothing."""
    if isinstance(value, bool):
        return True
    return UNLIMITED if isinstance(value, int) else value


def _set_caps(client: Client, collection: str, caps: Mapping[str, Json]) -> None:
    body = {STRICT_MODE_SECTION: dict(caps)}
    call = Call(method="PATCH", path=collection_path(collection), body=body)
    repeat_unanswered(lambda: client.request(call))


def _wait_for_nodes(job: JobContext, collection: str, expected: int) -> None:
    """Wait until each node has the limit; where no node is named, as long as that takes."""
    if job.client.server.peers == 1:
        return
    if not job.nodes:
        time.sleep(NODES_AGREE_WITHIN)
        return

    def look(node: Client) -> Json:
        caps = poll(
            partial(read_caps, node, collection),
            lambda read: read.get(_UPSERT_CAP) == expected,
            timeout=NODES_AGREE_WITHIN,
        )
        return caps.get(_UPSERT_CAP)

    for url, cap in ask_nodes(job, look, NODES_AGREE_WITHIN).items():
        if cap != expected:
            raise ClusterError(
                f"{url}: does not know the limits of {collection} after {NODES_AGREE_WITHIN:g} s",
                hint="Is the node cut off from the others? Try again.",
            )
