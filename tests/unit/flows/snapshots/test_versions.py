"""Which server reads which snapshot, as it was seen of 1.16.3 and 1.19.0."""

from dataclasses import replace

import pytest

from qdrantctl.flows.snapshots.restore.versions import describe_origin_version, require_readable
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.server import Server, Version
from qdrantctl.model.snapshots.snapshot import SnapshotRecord

VECTORS = {"vectors": {"": {"size": 4, "distance": "Dot"}}}


def server(version):
    return Server(Version.parse(version), "http://localhost:6333")


def snapshot(version, **spec):
    return SnapshotRecord(
        id="2026-11-30-10-00-00",
        collection="c",
        server=version,
        aliases=(),
        spec={**VECTORS, **spec},
        files=(),
    )


def refusal(record, target):
    with pytest.raises(QdrantctlError) as caught:
        require_readable(record, "the set x", target)
    return f"{caught.value.what}. {caught.value.why} {caught.value.hint}"


@pytest.mark.parametrize(
    ("then", "now"), [("1.16.3", "1.16.0"), ("1.16.3", "1.19.0"), ("1.19.0", "1.16.3")]
)
def test_what_both_versions_know_is_restored(then, now):
    require_readable(snapshot(then, hnsw_config={"m": 8}), "the set x", server(now))


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"hnsw_config": {"memory": "cold"}}, "hnsw_config.memory"),
        ({"quantization_config": {"turbo": {}}}, "quantization_config.turbo"),
        ({"vectors": {"a": {"size": 4, "distance": "Dot", "datatype": "turbo4"}}}, "a.datatype"),
        ({"payload_indexes": {"k": {"type": "keyword", "prefix": True}}}, "k.prefix"),
    ],
)
def test_an_older_server_is_not_given_what_it_does_not_know(spec, names):
    told = refusal(snapshot("1.19.0", **spec), server("1.16.3"))
    assert f"does not know {'vectors.' * names.startswith('a.')}" in told
    assert names in told
    assert "It is 1.16.3." in told


def test_the_oldest_node_of_a_cluster_decides():
    mixed = replace(server("1.16.3"), newest=Version(1, 19, 0), peers=2)
    told = refusal(snapshot("1.19.0", payload={"memory": "cold"}), mixed)
    assert "Of its nodes the oldest is 1.16.3." in told
    assert "version 1.19.0 or newer" in told


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"vectors": {"a/b": {"size": 4, "distance": "Dot"}}}, "'a/b'"),
        ({"sparse_vectors": {"": {}}}, "a sparse vector without a name"),
    ],
)
def test_names_that_newer_servers_refuse(spec, name):
    record = snapshot("1.16.3", **spec)
    assert name in refusal(record, server("1.18.0"))
    require_readable(record, "the set x", server("1.17.1"))


@pytest.mark.parametrize(("then", "now"), [("1.15.4", "1.16.3"), ("1.16.3", "1.15.4")])
def test_versions_that_nobody_tried(then, now):
    assert "same minor version" in refusal(snapshot(then), server(now))


def test_another_minor_version_is_named_in_the_plan():
    assert describe_origin_version(snapshot("1.16.3"), server("1.16.1")) == ""
    assert (
        describe_origin_version(snapshot("1.19.0"), server("1.16.3")) == "; taken on Qdrant 1.19.0"
    )
    assert "RocksDB" in describe_origin_version(snapshot("1.16.3"), server("1.19.0"))
