"""Sets tried by machine: good, bad, or not to be tried; and what of that is left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from hashlib import sha256

import pytest

from qdrantctl.adapters.local_server import scratch
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.flows.cluster import indexing
from tests.e2e.snapshots.test_restore_set import back
from tests.support.project import asked
from tests.support.proxy import answer, proxied, refuse_own_disk
from tests.support.snapshot_policies import PRODUCTS, policy, sets
from tests.support.snapshots import names


def test_a_good_set_is_verified_and_leaves_nothing(node, shop, kept):
    there = names(node)
    told = shop.run(node, "snapshots", "verify", "--format", "json")
    assert told.code == 0, told.out + told.err
    [met] = told.document["verified"]
    assert (met["good"], met["missed"]) == (True, [])
    assert names(node) == there
    assert list((node.folder / "snapshots").rglob("qdrantctl-*/*")) == []
    [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert (row["verified"]["good"], row["state"]) == (True, "complete")


def tamper(folder, how):
    [found] = sets(folder)
    [file] = found.glob("*.snapshot")
    data = bytearray(file.read_bytes())
    sidecar = json.loads((found / "set.json").read_text())
    if how == "flipped byte":
        data[len(data) // 2] ^= 1
    elif how == "truncated":
        del data[-1000:]
    elif how == "missing":
        file.unlink()
    elif how == "points":
        shards = sidecar["snapshot"]["files"][0]["shards"]
        shards.update({shard: [low + 1, high + 1] for shard, (low, high) in shards.items()})
    elif how == "a point":
        sidecar["sample"] = dict.fromkeys(sidecar["sample"], "0" * 64)
    elif how == "a query":
        scores = sidecar["queries"][""]["scores"]
        scores[next(iter(scores))] += 0.01
    elif how == "version":
        sidecar["snapshot"]["server"] = "1.15.4"
    if how != "missing":
        file.write_bytes(bytes(data))
    (found / "set.json").write_text(json.dumps(sidecar))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("flipped byte", "no longer what was taken"),
        ("truncated", "bytes instead of"),
        ("missing", "is missing"),
        ("points", "shard 0"),
        ("a point", "(differs)"),
        ("a query", "the query for point"),
    ],
)
def test_what_is_not_as_it_was_is_caught(node, shop, kept, how, said):
    tamper(kept, how)
    there = names(node)
    told = shop.run(node, "snapshots", "verify", "--format", "json")
    assert told.code == 6, told.out + told.err
    [met] = told.document["verified"]
    assert not met["good"]
    assert said in " ".join(met["missed"])
    assert names(node) == there
    [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert row["state"] == "bad"
    told = back(shop, node, kept, "--as", "again")
    assert (told.code, "again" in names(node)) == (1, False)


@pytest.mark.parametrize("scratch", ["cluster", "embedded"])
def test_what_a_server_makes_nothing_of_is_not_good_and_stops_no_other(
    node, shop, tmp_path, scratch
):
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)}, {"products": PRODUCTS, "zebra": PRODUCTS})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    [junk] = [found for found in sets(folder) if "products" in str(found)]
    data = os.urandom(5000)
    next(junk.glob("*.snapshot")).write_bytes(data)
    about = json.loads((junk / "set.json").read_text())
    about["snapshot"]["files"][0] |= {"size": 5000, "checksum": sha256(data).hexdigest()}
    (junk / "set.json").write_text(json.dumps(about))
    told = shop.run(node, "snapshots", "verify", "--scratch", scratch, "--format", "json")
    assert told.code == 6, told.err
    products, zebra = told.document["verified"]
    assert (products["good"], zebra["good"]) == (False, True)
    words = ("failed to read snapshot archive", "Malformed tar archive")  # that of 1.19.0
    assert any(said in products["missed"][0] for said in words)
    rows = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert {row["address"]: row["state"] for row in rows} == {
        "collection/products": "bad", "collection/zebra": "complete"}  # fmt: skip


@pytest.mark.parametrize("answer", ["drop", b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"])
def test_a_server_that_is_not_reached_says_nothing_of_a_set(node, shop, kept, answer, tmp_path):
    tmp_path.joinpath("file").write_text("in the way")
    shop.keeps({"a": policy([f"file://{tmp_path}/file/x"]), "nightly": policy(kept)})
    shop.done(node)

    def fault(_, head):
        return answer if b"snapshots/upload" in head.split(b"\r\n")[0] else None

    with proxied(node.http_port, fault) as proxy:
        told = shop.run(proxy.url, "snapshots", "verify", "--format", "json")
    assert (told.code, told.document["verified"]) == (6, [])
    place, found = told.document["untried"]
    assert ("file/x" in place, "/products/" in found) == (True, True)
    assert list(kept.rglob("verified.json")) == []
    told = shop.run(node, "snapshots", "verify")
    assert (told.code, "is good" in told.out, "file/x" in told.err) == (6, True, True)


def test_a_file_that_cannot_be_read_just_now_says_nothing_of_a_set(node, shop, kept):
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0

    def fault(_, head):
        asks = head.startswith(b"GET") and b".snapshot HTTP" in head
        return b"HTTP/1.1 500 Bad\r\ncontent-length: 0\r\n\r\n" if asks else refuse_own_disk(head)

    with proxied(node.http_port, fault) as proxy:
        told = shop.run(proxy.url, "snapshots", "verify", "--format", "json")
    assert (told.code, told.document["verified"], len(told.document["untried"])) == (6, [], 1)


def test_one_bad_moment_of_a_server_condemns_no_set(node, shop, kept):
    """What Qdrant itself refuses once is tried once more."""
    body = b'{"status":{"error":"Service internal error: Busy"},"time":0.1}'
    seen = []

    def fault(_, head):
        if b"snapshots/upload" not in head.split(b"\r\n")[0]:
            return None
        seen.append(head)
        return answer(500, body) if len(seen) == 1 else None

    with proxied(node.http_port, fault) as proxy:
        told = shop.run(proxy.url, "snapshots", "verify")
    assert (told.code, len(seen)) == (0, 2), told.err


def test_another_version(node, shop, kept):
    tamper(kept, "version")
    told = shop.run(node, "snapshots", "verify")
    assert (told.code, "same minor version" in told.err) == (6, True)
    assert list(kept.rglob("verified.json")) == []
    assert back(shop, node, kept, "--as", "again").code == 1


def test_on_servers_of_this_machine(node, shop, kept):
    """The cluster is only read; what was started is gone, also what a killed one has left."""
    there = names(node)
    left = shop.folder / ".qdrantctl" / "scratch"
    told = shop.run(node, "snapshots", "verify", "--scratch", "embedded", "--format", "json")
    assert told.code == 0, told.out + told.err
    [met] = told.document["verified"]
    assert (met["good"], met["missed"]) == (True, [])
    assert names(node) == there
    assert list(left.iterdir()) == []
    assert shop.run(node, "snapshots", "list", "--format", "json").document["sets"][0]["verified"]


@pytest.mark.parametrize("how", ["points", "a point", "a query"])
def test_what_is_not_as_it_was_is_caught_there_too(node, shop, kept, how):
    tamper(kept, how)
    told = shop.run(node, "snapshots", "verify", "--scratch", "embedded", "--format", "json")
    assert (told.code, told.document["verified"][0]["good"]) == (6, False), told.err


LAZY = {
    "vectors": {"size": 64, "distance": "Dot"},
    "optimizers_config": {"indexing_threshold": 1, "max_optimization_threads": 0},
}


@pytest.fixture
def lazy(node, shop, tmp_path):
    """A folder with a set of a collection that has an alias and is never indexed."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)}, {"products": LAZY})
    shop.done(node)
    points = [{"id": i, "vector": [i % 7 + j / 64 for j in range(64)]} for i in range(1, 2000)]
    asked(node, "PUT", "/collections/products/points?wait=true", {"points": points})
    actions = [{"create_alias": {"collection_name": "products", "alias_name": "live"}}]
    asked(node, "POST", "/collections/aliases", {"actions": actions})
    assert asked(node, "GET", "/collections/products")["status"] == "yellow"
    assert shop.run(node, "snapshots", "run").code == 0
    return folder


def test_what_is_never_indexed_is_whole_all_the_same(node, shop, lazy, monkeypatch):
    monkeypatch.setattr(indexing, "INDEX_TIMEOUT", 600.0)  # what never comes is not waited for
    told = shop.run(node, "snapshots", "verify")
    assert (told.code, "is good" in told.out) == (0, True), told.out + told.err
    words = ("--as", "products", "--allow-replace", "collection/products")
    told = back(shop, node, lazy, *words)
    assert told.code == 0, told.out + told.err
    assert "max_optimization_threads is 0" in told.out
    assert asked(node, "GET", "/aliases")["aliases"] == [
        {"alias_name": "live", "collection_name": "products"}
    ]


def test_stopped_while_it_is_indexed(node, shop, lazy):
    """Whoever is asked to stop while all is there makes no bad set of that."""
    environ = {**os.environ, "FLOWS_URL": node.url}
    replaced = ("--as", "products", "--allow-replace", "collection/products")
    start = ("restore", "collection/products", "--from", f"file://{lazy}", "--auto-approve")
    for verb in (("verify",), (*start, *replaced)):
        words = [sys.executable, "-m", "qdrantctl", "snapshots", *verb, "-v"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([*words, "-C", str(shop.folder)], env=environ, **pipes) as process:
            while "yellow" not in (line := process.stderr.readline()):
                assert line
            process.terminate()
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, out + err
        [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
        assert (row["state"], row["verified"]["good"]) == ("complete", True)
    assert len(asked(node, "GET", "/aliases")["aliases"]) == 1


RICH = {
    "vectors": {
        "text": {"size": 4, "distance": "Cosine"},
        "parts": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
    },
    "sparse_vectors": {"words": {}, "rare": {"modifier": "idf"}},
    "quantization_config": {"scalar": {"type": "int8", "always_ram": True}},
    "sharding_method": "custom",
    "shard_keys": ["eu", 7],
    "payload_indexes": {"brand": "keyword"},
    "strict_mode_config": {
        "enabled": True,
        "search_allow_exact": False,
        "unindexed_filtering_retrieve": False,
        "max_query_limit": 20,
        "filter_max_conditions": 1,
    },
}


@pytest.mark.parametrize("scratch", ["cluster", "embedded"])
def test_queries_of_every_vector_are_compared(node, shop, tmp_path, scratch):
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)}, {"products": RICH})
    shop.done(node)
    for key, first in (("eu", 1), (7, 100)):
        points = [
            {"id": i, "payload": {"brand": f"b{i}"}, "vector": {
                "text": [i, 1, 0.5, 1], "parts": [[0.5, i], [i, 0.25]],
                "words": {"indices": [1, i + 5], "values": [1.5, 0.5]},
                "rare": {"indices": [i], "values": [1.0]}}}
            for i in range(first, first + 6)
        ]  # fmt: skip
        body = {"points": points, "shard_key": key}
        asked(node, "PUT", "/collections/products/points?wait=true", body)
    assert shop.run(node, "snapshots", "run").code == 0
    file = sets(folder)[0] / "set.json"
    seen = json.loads(file.read_text())
    # How rare a word is depends on what a shard has seen, deleted points included.
    assert seen["queries"].keys() == {"text", "parts", "words"}
    assert [len(query["scores"]) for query in seen["queries"].values()] == [8, 8, 8]
    told = shop.run(node, "snapshots", "verify", "--scratch", scratch, "--format", "json")
    assert told.code == 0, told.out + told.err
    seen["queries"]["words"]["scores"]["101"] = 0.1
    file.write_text(json.dumps(seen))
    told = shop.run(node, "snapshots", "verify", "--scratch", scratch, "--format", "json")
    assert told.code == 6
    assert "by vector 'words'" in told.document["verified"][0]["missed"][0]


@pytest.mark.parametrize("by", ["verify --scratch embedded", "verify", "dev down"])
def test_what_a_killed_verification_has_left_is_ended(node, shop, kept, by):
    words = [sys.executable, "-m", "qdrantctl", "snapshots", "verify", "--scratch", "embedded"]
    folder = shop.folder / ".qdrantctl" / "scratch"
    environ = {**os.environ, "FLOWS_URL": node.url}
    process = subprocess.Popen([*words, "-C", str(shop.folder)], env=environ)
    until = time.monotonic() + 30
    while not (notes := list(folder.glob("*/0/.qdrantctl/server.json"))):
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.wait()
    port = json.loads(notes[0].read_text())["http_port"]
    asked(node, "DELETE", "/collections/_qdrantctl_lease.shop.dev.~snapshots.1")  # else 2 minutes
    told = shop.run(node, *(by if by == "dev down" else f"snapshots {by}").split())
    assert told.code == 0, told.out + told.err
    if by == "dev down":
        assert told.out == "was not running\nremoved the servers of 1 interrupted verification\n"
    assert list(folder.iterdir()) == []
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port))


def test_servers_that_another_verification_uses_are_left_alone(node, shop, kept):
    with scratch.run_scratch_servers(shop.folder, 1, lambda _: None) as [endpoint]:
        for words in (("dev", "down"), ("snapshots", "verify", "--scratch", "embedded")):
            told = shop.run(node, *words)
            assert told.code == 0, told.err
        with RestClient(endpoint) as door:
            assert door.server.peers == 1
        [folder] = (shop.folder / ".qdrantctl" / "scratch").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
