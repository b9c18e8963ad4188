"""What a collection refuses while the aliases move, and that it takes everything afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from qdrantctl.adapters.qdrant.client import Endpoint, RestClient
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.replacement.freeze import allow_writes, read_caps, refuse_writes
from qdrantctl.kinds.collection.strict_mode import UNLIMITED
from qdrantctl.model.polling import poll
from tests.support.project import asked, emptied

PATH = "/collections/old/points"
GROUP = {"filter": {"must": [{"key": "group", "match": {"value": "a"}}]}}
SETTING = {
    "upsert": ("PUT", "", {"points": [{"id": 1, "vector": [9, 9]}]}),
    "update vectors": ("PUT", "/vectors", {"points": [{"id": 1, "vector": [9, 9]}]}),
    "set payload": ("POST", "/payload", {"payload": {"v": 9}, "points": [1]}),
    "overwrite payload": ("PUT", "/payload", {"payload": {"v": 9}} | GROUP),
    "batch": ("POST", "/batch", {"operations": [{"set_payload": {"payload": {"v": 9}} | GROUP}]}),
}
REMOVING = {
    "delete payload": ("POST", "/payload/delete", {"keys": ["v"], "points": [1]}),
    "clear payload": ("POST", "/payload/clear", GROUP),
    "delete": ("POST", "/delete", {"points": [1]}),
    "delete several": ("POST", "/delete", {"points": [1, 2, 3]}),
    "delete by filter": ("POST", "/delete", GROUP),
}


@contextmanager
def job_of(nodes) -> Iterator[JobContext]:
    with RestClient(Endpoint(nodes[0].url)) as client:
        urls = tuple(node.url for node in nodes) if len(nodes) > 1 else ()
        yield JobContext(client, lambda _: None, lambda: False, nodes=urls)


def statuses(node, requests, key=None):
    selected = {} if key is None else {"shard_key": key}
    found = set()
    for method, path, body in requests.values():
        operations = [
            {name: change | selected}
            for each in body.get("operations", ())
            for name, change in each.items()
        ]
        whole = {"operations": operations} if operations else body | selected
        found.add(node.request(method, f"{PATH}{path}?wait=true", whole)[0])
    return found


def fill(node, keys=(None,), **spec):
    asked(node, "PUT", "/collections/old", {"vectors": {"size": 2, "distance": "Dot"}} | spec)
    payload = {"group": "a", "v": 1}
    points = [{"id": n, "vector": [1, n], "payload": payload} for n in range(20)]
    for key in keys:
        selected = {} if key is None else {"shard_key": key}
        if key is not None:
            asked(node, "PUT", "/collections/old/shards", selected)
        asked(node, "PUT", f"{PATH}?wait=true", {"points": points} | selected)


def read(node):
    body = {"limit": 100, "with_vector": True}
    return asked(node, "POST", f"{PATH}/scroll", body)["points"]


@pytest.mark.parametrize(
    ("keys", "spec", "limits"),
    [
        ((None,), {"shard_number": 3}, {}),
        ((None,), {}, {"enabled": True, "write_rate_limit": 1000, "max_timeout": 9}),
        (("eu", 7), {"sharding_method": "custom"}, {"enabled": False, "max_points_count": 1}),
    ],
    ids=["by hash", "with limits", "custom shard keys"],
)
def test_one_node_refuses_every_write(empty_qdrant, keys, spec, limits):
    """With limits of its own, and after a run that was killed; then they are as before."""
    node = empty_qdrant
    fill(node, keys, **spec)
    if limits:
        asked(node, "PATCH", "/collections/old", {"strict_mode_config": limits})
    before = read(node)
    with job_of([node]) as job:
        caps = read_caps(job.client, "old")
        for _ in range(2):
            refuse_writes(job, "old", caps, keys)
            for key in keys:
                assert statuses(node, SETTING, key) == {400}
                assert statuses(node, REMOVING, key) == {429}
        assert read(node) == before
        allow_writes(job.client, "old", caps)
        lifted = ("upsert_max_batchsize", "max_collection_payload_size_bytes", "write_rate_limit")
        lifted_caps = dict.fromkeys(lifted, UNLIMITED)
        assert read_caps(job.client, "old") == {"enabled": False} | lifted_caps | limits
    assert statuses(node, SETTING | REMOVING, keys[-1]) == {200}


def test_with_replicas_only_what_sets_something_is_refused(three_nodes):
    """On every node; a rate limit of the collection's own is lifted meanwhile."""
    emptied(three_nodes)
    limits = {"enabled": True, "write_rate_limit": 600}
    fill(three_nodes[0], shard_number=3, replication_factor=2, strict_mode_config=limits)
    with job_of(three_nodes) as job:
        refuse_writes(job, "old", limits)
        for node in three_nodes:
            assert statuses(node, SETTING) == {400}
        assert read_caps(job.client, "old")["write_rate_limit"] > 600
        assert statuses(three_nodes[1], REMOVING) == {200}
        allow_writes(job.client, "old", limits)
        assert poll(lambda: allowed_rate(job) == 600, timeout=5.0)


def allowed_rate(job):
    """The node that answers may know a change of strict mode a moment later."""
    return read_caps(job.client, "old")["write_rate_limit"]


def test_without_replicas_each_node_refuses_every_write(three_nodes):
    emptied(three_nodes)
    fill(three_nodes[0], shard_number=3)
    with job_of(three_nodes) as job:
        refuse_writes(job, "old", {})
        for node in three_nodes:
            assert statuses(node, SETTING) == {400}
            assert statuses(node, REMOVING) == {429}
