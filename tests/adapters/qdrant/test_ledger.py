import pytest

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ClusterError

SPEC = {"strict_mode_config": {"max_query_limit": 2**63 - 1}, "shard_keys": [{"key": 2**64 - 1}]}


def entry(address, **more):
    return {"owner": "shop/dev", "address": address, "spec": SPEC, "lifecycle": {}, **more}


@pytest.fixture(
    params=[
        pytest.param("one node", marks=pytest.mark.server),
        pytest.param("three nodes", marks=[pytest.mark.server, pytest.mark.cluster]),
    ]
)
def cluster(request):
    if request.param == "one node":
        node = request.getfixturevalue("empty_qdrant")
    else:
        node = request.getfixturevalue("three_nodes")[1]
        node.wipe()
    with RestClient(Endpoint(url=node.url)) as door:
        yield door


def test_what_is_written_is_read_exactly(cluster):
    assert ledger.read_ledger(cluster) == ledger.LedgerContents()
    cluster.request(ledger.ledger_creation_request(cluster.server))
    assert ledger.read_ledger(cluster) == ledger.LedgerContents(exists=True)
    ledger.write_cluster_id(cluster, "some-id")
    ledger.write_entries(
        cluster, [entry("collection/a", pending={"action": "create"}, schema_version=3)]
    )
    found = ledger.read_ledger(cluster)
    assert (found.exists, found.cluster_id) == (True, "some-id")
    resource = ledger.parse_entry(found.entries[Address("collection", "a")])
    assert resource.spec == SPEC
    assert resource.record.pending == {"action": "create"}
    assert resource.record.schema_version == 3


def test_an_address_has_one_entry(cluster):
    cluster.request(ledger.ledger_creation_request(cluster.server))
    ledger.write_entries(cluster, [entry("collection/a", schema_version=1)])
    ledger.write_entries(cluster, [entry("collection/a", schema_version=2, owner="x/y")])
    (only,) = ledger.read_ledger(cluster).entries.values()
    assert (only["owner"], only["schema_version"]) == ("x/y", 2)


def test_more_entries_than_a_page(cluster):
    cluster.request(ledger.ledger_creation_request(cluster.server))
    ledger.write_entries(cluster, [entry(f"collection/c{i}") for i in range(2500)])
    assert len(ledger.read_ledger(cluster).entries) == 2500


@pytest.mark.parametrize(
    "broken",
    [
        entry("collection/..."),
        entry("nonsense"),
        {**entry("collection/a"), "spec": "text"},
        {**entry("collection/a"), "owner": None},
        {**entry("collection/a"), "lifecycle": {"ignore": [7]}},
        {**entry("collection/a"), "object": ".."},
        {**entry("collection/a"), "object": "_qdrantctl"},
    ],
)
def test_an_entry_that_was_tampered_with_is_named(empty_qdrant, broken):
    with RestClient(Endpoint(url=empty_qdrant.url)) as door:
        door.request(ledger.ledger_creation_request(door.server))
        ledger.write_entries(door, [broken])
        with pytest.raises(ClusterError, match="did not write"):
            ledger.read_ledger(door)


def test_only_404_means_that_there_is_none(fresh_qdrant):
    node = fresh_qdrant(api_key="key")
    with RestClient(Endpoint(url=node.url)) as door, pytest.raises(ClusterError) as caught:
        ledger.read_ledger(door)
    assert caught.value.status == 401


def test_a_server_that_caps_every_collection_leaves_the_ledger_free(fresh_qdrant):
    environ = {
        "QDRANT__STORAGE__COLLECTION__STRICT_MODE__ENABLED": "true",
        "QDRANT__STORAGE__COLLECTION__STRICT_MODE__MAX_QUERY_LIMIT": "1",
        "QDRANT__STORAGE__COLLECTION__STRICT_MODE__WRITE_RATE_LIMIT": "1",
    }
    node = fresh_qdrant(environ=environ)
    with RestClient(Endpoint(url=node.url)) as door:
        door.request(ledger.ledger_creation_request(door.server))
        for _ in range(5):
            ledger.write_entries(door, [entry("collection/a"), entry("collection/b")])
        assert len(ledger.read_ledger(door).entries) == 2
