"""A pass over a collection counts only if its active replicas stay active meanwhile."""

from __future__ import annotations

import pytest

from qdrantctl.flows.replacement.replicas import MOST_READINGS, read_while_active
from qdrantctl.model.errors import ClusterError
from tests.cluster.test_freeze import job_of
from tests.support.project import VECTORS, asked

SPEC = {"vectors": VECTORS, "shard_number": 9, "replication_factor": 2}


@pytest.fixture
def collection(nodes):
    assert nodes[0].request("PUT", "/collections/c", SPEC)[0] == 200
    return nodes


class Pass:
    """A pass during which so many replicas are dropped, one in each reading."""

    def __init__(self, nodes, drops):
        self.nodes = nodes
        self.drops = drops
        self.readings = 0

    def __call__(self):
        self.readings += 1
        if self.readings <= self.drops:
            peer = asked(self.nodes[0], "GET", "/cluster")["peer_id"]
            shards = asked(self.nodes[0], "GET", "/collections/c/cluster")["local_shards"]
            drop = {"drop_replica": {"shard_id": shards[0]["shard_id"], "peer_id": peer}}
            asked(self.nodes[0], "POST", "/collections/c/cluster", drop)
        return self.readings


def test_it_is_repeated_until_they_stay_as_they_are(collection):
    with job_of(collection) as job:
        assert read_while_active(job, ("c",), Pass(collection, 0)) == 1
        assert read_while_active(job, ("c",), Pass(collection, 2)) == 3


def test_replicas_that_never_rest_are_told(collection):
    reading = Pass(collection, MOST_READINGS)
    with job_of(collection) as job, pytest.raises(ClusterError, match="replicas of c fall behind"):
        read_while_active(job, ("c",), reading)
    assert reading.readings == MOST_READINGS
