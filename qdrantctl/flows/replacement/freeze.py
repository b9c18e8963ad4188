"""Refuse writes to a collection for a moment, so that nothing changes in it before a switch.

Two caps of strict mode refuse what sets something, before any shard sees it: upserts and updates of
vectors (`upsert_max_batchsize: 0`), and setting payload (`max_collection_payload_size_bytes: 0`).
Nothing but a rate limit refuses deletions, of points as of payload keys. With `write_rate_limit: 1`
each shard accepts one more write a minute, which is used up right away. Each replica counts for
itself: of a write, one may accept what the other one refuses. So a collection with replicas still
takes deletions. A limit that was never set can only be raised again: 2^63-1 means the same as
absent. 1.16.3 and 1.19.0 behave alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from qdrantctl.adapters.qdrant.refusals import TOO_MANY
from qdrantctl.flows.cluster.nodes import JobContext, ask_nodes, list_replicas, read_topology
from qdrantctl.flows.execution.send import repeat_unanswered
from qdrantctl.kinds.collection.steps import STRICT_MODE_SECTION
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path, wait_query

_REFUSING = {"upsert_max_batchsize": 0, "max_collection_payload_size_bytes": 0}
_RATE = "write_rate_limit"
_SWEEP_NEEDS = {"unindexed_filtering_update": True, "filter_max_conditions": UNLIMITED}
"""Conditions on the mark, and on payload that is still as it was."""
NODES_AGREE_WITHIN = 2.0
"""Seconds until every node of a cluster knows a change that one of them has answered."""
IN_FLIGHT = 0.25
"""Seconds that a request takes between a node's check of limits and its shards, on a busy node."""


def read_caps(client: Client, collection: str) -> dict[str, Json]:
    """The strict mode of a collection; empty without one. Raises ClusterError."""
    info = client.request(Call(method="GET", path=collection_path(collection)))
    return dict(info["config"].get(STRICT_MODE_SECTION) or {})


def refuse_writes(
    job: JobContext,
    collection: str,
    caps: Mapping[str, Json],
    shard_keys: Sequence[int | str | None] = (None,),
) -> None:
    """Refuse writes on every node, and wait until those in flight are carried out.

    `caps` is the strict mode of the collection before. Where it is switched off, its other limits
    are lifted, so that nothing else is refused. Raises ClusterError.
    """
    client = job.client
    body: dict[str, Any] = {"enabled": True, **_REFUSING}
    if not _has_replicas(client, collection):
        body[_RATE] = 1
    elif _RATE in caps:  # the deletion of nothing must not wait for it
        body[_RATE] = UNLIMITED
    if not caps.get("enabled"):
        body |= {cap: _neutral(value) for cap, value in caps.items() if cap not in body}
    # Setting a rate limit again would allow another write.
    if not body.items() <= read_caps(client, collection).items():
        set_caps(client, collection, body)
    _wait_for_nodes(job, collection)
    _pass_writes_through(client, collection, shard_keys)
    time.sleep(IN_FLIGHT)
    _pass_writes_through(client, collection, shard_keys)


def allow_writes(client: Client, collection: str, caps: Mapping[str, Json]) -> None:
    """Set strict mode back to what it was. Raises ClusterError."""
    live = read_caps(client, collection)
    neutral = {cap: UNLIMITED for cap in (*_REFUSING, _RATE) if cap in live}
    set_caps(client, collection, {"enabled": False, **neutral, **caps})


def caps_in_the_way(client: Client, collection: str) -> dict[str, Json]:
    """The caps that may refuse an update of a sweep, as they are. Raises ClusterError."""
    caps = read_caps(client, collection)
    if not caps.get("enabled"):
        return {}
    return {
        cap: caps[cap] for cap, needed in _SWEEP_NEEDS.items() if caps.get(cap, needed) != needed
    }


def lift_caps(client: Client, collection: str, caps: Iterable[str]) -> None:
    """Lift caps that may refuse an update of a sweep. Raises ClusterError."""
    set_caps(client, collection, {cap: _SWEEP_NEEDS[cap] for cap in caps})


def _has_replicas(client: Client, collection: str) -> bool:
    """Whether a shard of a collection is on more than one node."""
    if client.server.peers == 1:
        return False
    shards = [shard for shard, _, _ in list_replicas(read_topology(client, collection))]
    return len(set(shards)) < len(shards)


def _pass_writes_through(
    client: Client, collection: str, shard_keys: Sequence[int | str | None]
) -> None:
    """Delete nothing from every shard: that is answered after all writes before it.

    It uses up the last write that a rate limit allows, unless an application was faster.
    """
    path = collection_path(collection, "points", "delete")
    for shard_key in shard_keys:
        body: dict[str, Json] = {"filter": {"must": [{"has_id": []}]}}
        if shard_key is not None:
            body["shard_key"] = shard_key
        query = wait_query(client.server)
        try:
            client.request(Call(method="POST", path=path, query=query, body=body))
        except ClusterError as error:
            if error.status != TOO_MANY:
                raise


def _neutral(value: Json) -> Json:
    """A value of a cap that refuses nothing."""
    if isinstance(value, bool):
        return True
    return UNLIMITED if isinstance(value, int) else value


def set_caps(client: Client, collection: str, caps: Mapping[str, Json]) -> None:
    """Set these caps of strict mode, and leave the others. Raises ClusterError."""
    body = {STRICT_MODE_SECTION: dict(caps)}
    call = Call(method="PATCH", path=collection_path(collection), body=body)
    repeat_unanswered(lambda: client.request(call))


def _wait_for_nodes(job: JobContext, collection: str) -> None:
    """Wait until each node refuses writes; where no node is named, as long as that takes."""
    if job.client.server.peers == 1:
        return
    if not job.nodes:
        time.sleep(NODES_AGREE_WITHIN)
        return

    def look(node: Client) -> bool:
        caps = poll(partial(read_caps, node, collection), _are_refusing, timeout=NODES_AGREE_WITHIN)
        return _are_refusing(caps)

    for url, is_refusing in ask_nodes(job, look, NODES_AGREE_WITHIN).items():
        if not is_refusing:
            raise ClusterError(
                f"{url}: does not know the limits of {collection} after {NODES_AGREE_WITHIN:g} s",
                hint="Is the node cut off from the others? Try again.",
            )


def _are_refusing(caps: Mapping[str, Json]) -> bool:
    return _REFUSING.items() <= caps.items()
