"""Servers that give every new collection settings of their own, and a server without a cluster."""

import pytest

from tests.support.project import VECTORS, Project, asked, config, record, upsert

STORAGE = "QDRANT__STORAGE__"
DEFAULTS = {
    "HNSW_INDEX__M": "48",
    "HNSW_INDEX__ON_DISK": "true",
    "OPTIMIZERS__FLUSH_INTERVAL_SEC": "77",
    "OPTIMIZERS__MAX_OPTIMIZATION_THREADS": "2",
    "ON_DISK_PAYLOAD": "false",
    "COLLECTION__VECTORS__ON_DISK": "true",
    "COLLECTION__REPLICATION_FACTOR": "2",
    "COLLECTION__QUANTIZATION__SCALAR__TYPE": "int8",
    "COLLECTION__STRICT_MODE__ENABLED": "true",
    "COLLECTION__STRICT_MODE__MAX_QUERY_LIMIT": "1",
    "COLLECTION__STRICT_MODE__UNINDEXED_FILTERING_RETRIEVE": "false",
    "COLLECTION__STRICT_MODE__WRITE_RATE_LIMIT": "30",
    "COLLECTION__STRICT_MODE__READ_RATE_LIMIT": "30",
}
STATED = {
    "vectors": VECTORS | {"on_disk": False},
    "hnsw_config": {"m": 16, "on_disk": False},
    "optimizers_config": {"flush_interval_sec": 5, "max_optimization_threads": "auto"},
    "on_disk_payload": True,
    "replication_factor": 1,
    "quantization_config": {"product": {"compression": "x4"}},
    "strict_mode_config": {"enabled": True, "max_query_limit": 100, "write_rate_limit": 1000},
    "payload_indexes": {"a": "keyword"},
}
SPECS = {
    "nothing": {"vectors": VECTORS},
    "indexed": {"vectors": VECTORS, "payload_indexes": {"a": "keyword"}},
    "stated": STATED,
    "part": {
        "vectors": VECTORS,
        "hnsw_config": {"ef_construct": 64},
        "quantization_config": {"scalar": {"type": "int8", "quantile": 0.9}},
        "strict_mode_config": {"max_timeout": 3},
    },
    "off": {
        "vectors": VECTORS,
        "strict_mode_config": {"enabled": False},
        "payload_indexes": dict.fromkeys("abc", "keyword"),
    },
    "unlimited": {"vectors": VECTORS, "strict_mode_config": {"max_query_limit": 2**63 - 1}},
    "by_name": {
        "vectors": {"t": VECTORS | {"quantization_config": {"binary": {}}, "hnsw_config": {"m": 8}}}
    },
}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def server(fresh_qdrant):
    """Makes a server with these defaults for new collections."""

    def make(defaults, **words):
        return fresh_qdrant(environ={STORAGE + k: v for k, v in defaults.items()}, **words)

    return make


def strict(node, name):
    return config(node, name)["strict_mode_config"]


@pytest.mark.parametrize("cluster", [True, False], ids=["cluster", "standalone"])
def test_what_is_not_stated_is_the_servers(server, project, cluster):
    node = server(DEFAULTS, cluster=cluster)
    project.states(SPECS)
    project.done(node)
    nothing = config(node, "nothing")
    assert (nothing["hnsw_config"]["m"], nothing["params"]["on_disk_payload"]) == (48, False)
    assert nothing["quantization_config"] == {"scalar": {"type": "int8"}}
    stated = config(node, "stated")
    assert stated["hnsw_config"]["m"] == 16
    assert stated["optimizer_config"]["max_optimization_threads"] is None
    assert stated["quantization_config"] == {"product": {"compression": "x4"}}
    assert strict(node, "stated")["max_query_limit"] == 100
    assert strict(node, "part") == strict(node, "nothing") | {"max_timeout": 3}
    assert strict(node, "off")["enabled"] is False
    assert strict(node, "off")["write_rate_limit"] == 2**63 - 1
    assert strict(node, "unlimited")["max_query_limit"] == 2**63 - 1
    for name in SPECS:
        assert record(node, f"collection/{name}")["observed"]


def test_what_is_no_longer_stated_stays_or_is_lifted(server, project):
    """Dropping a cap lifts it, and dropping quantization removes it, whatever new ones get."""
    node = server(DEFAULTS)
    project.states({"c": STATED})
    project.done(node)
    project.states({"c": {"vectors": VECTORS, "payload_indexes": {"a": "keyword"}}})
    project.done(node)
    now = config(node, "c")
    assert now["quantization_config"] is None
    assert now["hnsw_config"]["m"] == 16
    assert now["strict_mode_config"]["max_query_limit"] == 2**63 - 1


@pytest.mark.parametrize("name", SPECS)
def test_what_was_made_by_hand_is_adopted_where_it_is_as_stated(server, project, name):
    """It has the same defaults, so a manifest that was written for it finds nothing to change."""
    node = server(DEFAULTS)
    made_by_hand(node, name, SPECS[name])
    project.states({name: SPECS[name]})
    told = project.plan(node)
    assert told.code == 2, told.out + told.err
    change = told.change(f"collection/{name}")
    assert (change["action"], change["steps"]) == ("adopt", [])
    project.done(node)


def made_by_hand(node, name, spec):
    body = {key: value for key, value in spec.items() if key != "payload_indexes"}
    if spec.get("strict_mode_config", {}).get("enabled") is False:
        unlimited = {"read_rate_limit": 2**63 - 1, "write_rate_limit": 2**63 - 1}
        body["strict_mode_config"] = spec["strict_mode_config"] | unlimited
    asked(node, "PUT", f"/collections/{name}", body)
    for field, kind in spec.get("payload_indexes", {}).items():
        index = {"field_name": field, "field_schema": kind}
        asked(node, "PUT", f"/collections/{name}/index?wait=true", index)


def test_the_ledger_is_free_of_the_servers_caps(server, project):
    caps = {
        "ENABLED": "true",
        "MAX_QUERY_LIMIT": "1",
        "READ_RATE_LIMIT": "1",
        "WRITE_RATE_LIMIT": "1",
        "UPSERT_MAX_BATCHSIZE": "1",
        "MAX_POINTS_COUNT": "1",
        "MAX_COLLECTION_PAYLOAD_SIZE_BYTES": "1",
        "FILTER_MAX_CONDITIONS": "0",
    }
    node = server({f"COLLECTION__STRICT_MODE__{cap}": value for cap, value in caps.items()})
    names = [f"c{number}" for number in range(6)]
    for number in range(3):
        spec = {"vectors": VECTORS, "metadata": {"round": number}}
        project.states(dict.fromkeys(names, spec))
        project.done(node)
    node.stop()
    node.start()
    project.states(dict.fromkeys(names, spec | {"metadata": {"round": 3}}))
    project.done(node)
    assert record(node, "collection/c5")["spec"]["metadata"] == {"round": 3}


def limited(**caps):
    return {f"COLLECTION__STRICT_MODE__{cap}": str(value) for cap, value in caps.items()}


INDEXES = dict.fromkeys("abcd", "keyword")


@pytest.mark.parametrize(
    "stated",
    [
        {"enabled": False},
        {"enabled": True, "write_rate_limit": 1, "max_payload_index_count": 4},
        {"enabled": True, "write_rate_limit": 100, "max_payload_index_count": 40},
        {"enabled": False, "write_rate_limit": 5},
    ],
)
def test_indexes_are_made_where_the_manifest_states_the_caps(server, project, stated):
    """The server's own would forbid them between creation and the last step."""
    node = server(limited(ENABLED="true", WRITE_RATE_LIMIT=1, MAX_PAYLOAD_INDEX_COUNT=1))
    spec = {"vectors": VECTORS, "payload_indexes": INDEXES, "strict_mode_config": stated}
    spec["acknowledge"] = ["write_rate_limit"]
    project.states({"c": spec})
    project.done(node)
    assert set(asked(node, "GET", "/collections/c")["payload_schema"]) == set(INDEXES)
    assert {cap: strict(node, "c")[cap] for cap in stated} == stated
    project.states({"c": spec | {"payload_indexes": INDEXES | {"a": "integer"}}})
    project.done(node)
    assert {cap: strict(node, "c")[cap] for cap in stated} == stated


def test_a_write_limit_that_only_the_server_knows(server, project):
    """It cannot be seen before the collection is there; the next apply sees it, and finishes."""
    node = server(limited(ENABLED="true", WRITE_RATE_LIMIT=1))
    project.states({"c": {"vectors": VECTORS, "payload_indexes": INDEXES}})
    told = project.apply(node)
    assert told.code == 6, told.out + told.err
    outcome = told.document["outcomes"][0]
    assert "PUT /collections/c/index" in outcome["error"]
    assert "Write rate limit exceeded" in outcome["error"]
    assert "pending" in record(node, "collection/c")
    project.done(node)
    assert set(asked(node, "GET", "/collections/c")["payload_schema"]) == set(INDEXES)
    assert strict(node, "c") == {"enabled": True, "write_rate_limit": 1}
    assert "pending" not in record(node, "collection/c")


def test_an_index_cap_that_only_the_server_knows(server, project):
    """Above it apply stops, and the next plan says that the cap is in the way."""
    node = server(limited(ENABLED="true", MAX_PAYLOAD_INDEX_COUNT=2))
    spec = {"vectors": VECTORS, "payload_indexes": INDEXES}
    project.states({"c": spec})
    told = project.apply(node)
    assert told.code == 6, told.out + told.err
    assert "maximum number of payload indices (2)" in told.document["outcomes"][0]["error"]
    told = project.plan(node)
    assert (told.code, "QC122" in told.rules) == (3, True)
    project.states({"c": spec | {"strict_mode_config": {"max_payload_index_count": 4}}})
    project.done(node)


def test_a_server_without_a_cluster(fresh_qdrant, project):
    node = fresh_qdrant(cluster=False)
    custom = {"vectors": VECTORS, "sharding_method": "custom", "shard_keys": ["eu"]}
    plain = {"vectors": VECTORS, "replication_factor": 2, "payload_indexes": {"a": "keyword"}}
    project.states({"keyed": custom, "c": plain}, {"live": "c"})
    told = project.plan(node)
    assert told.code == 3
    assert "needs cluster mode" in told.change("collection/keyed")["because"]
    assert told.document["server"]["distributed"] is False
    assert project.apply(node).code == 3
    assert node.request("GET", "/collections/c")[0] == 404
    told = project.apply(node, "--exclude", "collection/keyed")
    assert told.code == 0, told.out + told.err
    project.states({"c": plain}, {"live": "c"})
    assert project.plan(node).code == 0
    assert config(node, "c")["uuid"] is None
    upsert(node, "c")
    project.states({"c": plain | {"metadata": {"a": 1}, "replication_factor": 1}}, {"live": "c"})
    project.done(node)
    assert record(node, "collection/c")["uuid"] == ""
    asked(node, "DELETE", "/collections/c")
    told = project.plan(node)
    assert told.change("collection/c")["because"] == "deleted outside qdrantctl"
    project.done(node)
    node.stop()
    node.start()
    assert project.plan(node).code == 0
