"""Answers that only newer servers give: writes under way, vector names, quotas.

With QDRANTCTL_QDRANT_BIN they run where the server is new enough. What CI can run of it is on data,
in tests/unit/flows, and with a proxy in test_apply.py.
"""

from __future__ import annotations

import pytest

from qdrantctl.model.server import Version
from tests.support.project import VECTORS, Project, asked, config
from tests.support.proxy import proxied

NAME = "products"
PATH = f"/collections/{NAME}"
BASE = {"vectors": {"a": VECTORS}}


def fill_project(folder, node, since: str) -> Project:
    """A project whose collection is applied and holds points, on servers from a version on."""
    version = node.request("GET", "/")[1]["version"]
    if Version.parse(version) < Version.parse(since):
        pytest.skip(f"Qdrant {version} does not answer so; {since} does")
    made = Project(folder)
    made.states({NAME: BASE})
    made.done(node)
    points = [{"id": i, "vector": {"a": [i, 1, 2, 3]}, "payload": {"k": f"v{i}"}}
              for i in range(1, 5000)]  # fmt: skip
    asked(node, "PUT", f"{PATH}/points?wait=true", {"points": points})
    return made


def test_writes_that_outlast_their_timeout_are_waited_for(tmp_path, fresh_qdrant, monkeypatch):
    """The server's own `wait_timeout` for the index and for the ledger, as it waits no time.

    Without a cluster, where the same timeout would end the wait for consensus.
    """
    node = fresh_qdrant(cluster=False)
    project = fill_project(tmp_path, node, "1.17.0")
    monkeypatch.setattr("qdrantctl.model.step.SERVER_WAIT", 0)
    project.states({NAME: BASE | {"payload_indexes": {"k": "text"}}})
    project.done(node)
    shown = asked(node, "GET", PATH)
    assert shown["payload_schema"]["k"]["points"] == 4999
    assert shown["update_queue"]["length"] == 0


def test_an_index_before_the_first_shard_key(tmp_path, empty_qdrant):
    """Answered with `acknowledged` and no operation."""
    project = fill_project(tmp_path, empty_qdrant, "1.17.0")
    spec = {"vectors": VECTORS, "sharding_method": "custom", "payload_indexes": {"k": "keyword"}}
    project.states({NAME: BASE, "keyless": spec})
    project.done(empty_qdrant)
    assert set(asked(empty_qdrant, "GET", "/collections/keyless")["payload_schema"]) == {"k"}


def test_what_a_vector_name_drops_is_there_despite_a_rate_limit(tmp_path, empty_qdrant):
    """The bucket was emptied by another user: the limit is lifted, so that shards take the name."""
    project = fill_project(tmp_path, empty_qdrant, "1.19.0")
    limit = {"enabled": True, "write_rate_limit": 9}
    asked(empty_qdrant, "PATCH", PATH, {"strict_mode_config": limit})
    point = {"points": [{"id": 1, "vector": {"a": [1, 1, 1, 1]}}]}
    while empty_qdrant.request("PUT", f"{PATH}/points?wait=true", point)[0] == 200:
        pass
    tuned = {"size": 2, "distance": "Dot", "on_disk": True, "hnsw_config": {"m": 8}}
    sparse = {"modifier": "idf", "index": {"on_disk": True, "datatype": "float16"}}
    spec = {
        "vectors": {"a": VECTORS, "b": tuned},
        "sparse_vectors": {"s": sparse},
        "payload_indexes": {"k": "keyword"},
        "strict_mode_config": limit,
    }
    project.states({NAME: spec})
    project.done(empty_qdrant)
    params = config(empty_qdrant, NAME)["params"]
    assert params["vectors"]["b"] == tuned
    assert params["sparse_vectors"]["s"] == sparse
    both = {"points": [{"id": 1, "vector": {"a": [1, 1, 1, 1], "b": [1, 2]}}]}
    asked(empty_qdrant, "PUT", f"{PATH}/points?wait=true", both)


def test_a_quota_that_is_exceeded(tmp_path, empty_qdrant):
    project = fill_project(tmp_path, empty_qdrant, "1.19.0")
    project.states({NAME: BASE | {"payload_indexes": {"k": "keyword"}}})
    quota = {"enabled": True, "max_disk_usage_percent": 1}

    def exceed(_: int, head: bytes) -> None:
        """Once the plan has been checked: an index is requested."""
        if head.startswith(f"PUT {PATH}/index".encode()):
            asked(empty_qdrant, "PUT", "/quotas?wait=true", quota)

    try:
        with proxied(empty_qdrant.http_port, exceed) as proxy:
            told = project.apply(proxy.url)
    finally:
        asked(empty_qdrant, "PUT", "/quotas?wait=true", {"enabled": False})
    assert told.code == 6
    assert "Insufficient storage" in told.out
    assert "quota of the server" in told.out
    assert "may have taken effect" not in told.out
    project.done(empty_qdrant)
