"""What each level of access that a manifest can express lets a token do: the server's own table.

Every row is asked with a token that the tool has minted; `keys check` must come to the same.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.access_keys import Project, asked
from tests.support.servers import API_KEY, TAKES_TOKENS, Node, server_folder

LEVELS = {
    "all_r": {"access": "r"},
    "all_m": {"access": "m", "acknowledge": ["manage"]},
    "c_r": {"access": [{"collection": "products", "access": "r"}]},
    "c_rw": {"access": [{"collection": "products", "access": "rw"}]},
    "c_prw": {"access": [{"collection": "products", "access": "prw"}]},
    "alias_r": {"access": [{"collection": "live", "access": "r"}]},
    "elsewhere": {"access": [{"collection": "other", "access": "rw"}]},
}
EVERYBODY = set(LEVELS)
HERE = {"all_r", "all_m", "c_r", "c_rw", "c_prw"}
GLOBAL, MANAGE = {"all_r", "all_m"}, {"all_m"}
WRITERS, OWNERS = {"all_m", "c_rw", "c_prw"}, {"all_m", "c_rw"}
NOT_PRW = HERE - {"c_prw"}
C = "/collections/products"
POINT = {"points": [{"id": 1, "vector": [0, 0, 0, 1]}]}
FROM_OTHER = {"query": 1, "lookup_from": {"collection": "other"}, "limit": 1}

TABLE: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/", None, EVERYBODY),
    ("GET", "/healthz", None, EVERYBODY),
    ("GET", "/telemetry", None, EVERYBODY),
    ("GET", "/metrics", None, GLOBAL),
    ("GET", "/logger", None, GLOBAL),
    ("GET", "/cluster", None, GLOBAL),
    ("GET", "/issues", None, EVERYBODY),
    ("DELETE", "/issues", None, MANAGE),
    ("POST", "/logger", {}, MANAGE),
    ("POST", "/cluster/recover", None, MANAGE),
    ("DELETE", "/cluster/peer/1", None, MANAGE),
    ("GET", "/profiler/slow_requests", None, MANAGE),
    ("GET", "/collections", None, EVERYBODY),
    ("GET", "/aliases", None, EVERYBODY),
    ("GET", C, None, HERE),
    ("GET", f"{C}/exists", None, HERE),
    ("GET", f"{C}/aliases", None, HERE),
    ("GET", f"{C}/cluster", None, NOT_PRW),
    ("GET", f"{C}/shards", None, HERE),
    ("GET", f"{C}/snapshots", None, NOT_PRW),
    ("GET", f"{C}/shards/0/snapshots", None, NOT_PRW),
    ("GET", f"{C}/shards/0/snapshot", None, OWNERS),
    ("GET", "/snapshots", None, GLOBAL),
    ("PUT", f"{C}/points?wait=true", POINT, WRITERS),
    ("POST", f"{C}/points", {"ids": [1]}, HERE),
    ("POST", f"{C}/points/scroll", {"limit": 1}, HERE),
    ("POST", f"{C}/points/count", {}, HERE),
    ("POST", f"{C}/points/query", {"query": [0, 0, 0, 1], "limit": 1}, HERE),
    ("POST", f"{C}/points/query", FROM_OTHER, GLOBAL),
    ("POST", f"{C}/points/payload?wait=true", {"payload": {"a": 1}, "points": [1]}, WRITERS),
    ("PUT", f"{C}/points/vectors?wait=true", POINT, WRITERS),
    ("POST", f"{C}/points/delete?wait=true", {"points": [2]}, WRITERS),
    ("PUT", f"{C}/index?wait=true", {"field_name": "a", "field_schema": "keyword"}, OWNERS),
    ("DELETE", f"{C}/index/a?wait=true", None, OWNERS),
    ("DELETE", f"{C}/snapshots/none", None, OWNERS),
    ("PUT", f"{C}/snapshots/recover", {"location": "ftp://none/none"}, MANAGE),
    ("DELETE", "/snapshots/none", None, MANAGE),
    ("PATCH", C, {"optimizers_config": {}}, MANAGE),
    ("PUT", "/collections/new", {"vectors": {"size": 4, "distance": "Dot"}}, MANAGE),
    ("DELETE", "/collections/new", None, MANAGE),
    ("POST", "/collections/aliases", {"actions": []}, MANAGE),
    ("POST", f"{C}/cluster", {"drop_replica": {"shard_id": 9, "peer_id": 9}}, MANAGE),
    ("PUT", f"{C}/shards", {"shard_key": "k"}, MANAGE),
    ("GET", "/collections/live", None, GLOBAL | {"alias_r"}),
    ("POST", "/collections/live/points/count", {}, GLOBAL | {"alias_r"}),
    ("PUT", "/collections/live/points?wait=true", POINT, MANAGE),
]  # fmt: skip


pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def minted(tmp_path_factory):
    """A project on a server of its own, and a token for each level."""
    with server_folder() as folder:
        node = Node(folder, api_key=API_KEY, environ=dict(TAKES_TOKENS)).start()
        project = Project(tmp_path_factory.mktemp("table"), node)
        project.states(**{name: {**spec, "ttl": "10d"} for name, spec in LEVELS.items()})
        project.done()
        yield project, {name: project.token("issue", name) for name in LEVELS}
        node.stop()


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    TABLE,
    ids=[
        f"{method} {path}{' elsewhere' if body is FROM_OTHER else ''}"
        for method, path, body, _ in TABLE
    ],
)
def test_a_row(method, path, body, allowed, minted):
    project, tokens = minted
    if path.endswith("/snapshot"):
        path += "?"  # a stream of the whole shard, which is small here
    met = {name: asked(project.node, token, method, path, body) for name, token in tokens.items()}
    assert {name for name, status in met.items() if status not in (401, 403)} == allowed, met


@pytest.mark.parametrize("level", LEVELS)
def test_check_comes_to_the_same(level, minted):
    project, tokens = minted
    told = project.run("keys", "check", "--collection", "products", "--format", "json",
                       stdin=tokens[level])  # fmt: skip
    assert told.code == 0, told.out
    found = {(p["name"], p["action"]): p["allowed"] for p in told.document["probes"]}
    assert found["products", "read points and settings"] is (level in HERE)
    assert found["products", "write points"] is (level in WRITERS)
    assert found["products", "download snapshots"] is (level in NOT_PRW)
    assert found["products", "make and delete snapshots"] is (level in OWNERS)
    assert found["*", "see the whole cluster"] is (level in GLOBAL)
    assert found["*", "make, change and delete collections and aliases"] is (level in MANAGE)
