"""The way back from a destination: tried by machine, and gone with nothing at hand but a URL."""

from __future__ import annotations

import json

import pytest

from tests.flows.project import asked, emptied
from tests.policy.project import Shop, backdate, policy, sets
from tests.snapshots.bench import about, contents, files, fill, names


@pytest.fixture
def kept(node, shop, tmp_path):
    """A folder with a set of products, which has an alias."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder, verify={"every": "7d"})})
    shop.done(node)
    fill(node)
    actions = [{"create_alias": {"collection_name": "products", "alias_name": "live"}}]
    asked(node, "POST", "/collections/aliases", {"actions": actions})
    assert shop.run(node, "snapshots", "run").code == 0
    return folder


def back(shop, at, folder, *words, what="collection/products"):
    start = ("snapshots", "restore", what, "--from", f"file://{folder}", "--auto-approve")
    return shop.run(at, *start, *words)


def test_everything_is_as_it_was(node, shop, kept):
    before, points = about(node, "products"), contents(node, "products")
    told = back(shop, node, kept, "--as", "again")
    assert told.code == 0, told.out + told.err
    assert about(node, "again") == before
    assert contents(node, "again") == points
    assert '"metadata": {"name": "live"}' in told.out
    assert files(node, "again") == []
    assert shop.run(node, "drift").code == 0
    told = back(shop, node, kept, "--as", "products")
    assert (told.code, "exists" in told.err) == (1, True)


def test_with_nothing_but_a_url(node, shop, kept, fresh_qdrant, tmp_path, monkeypatch):
    """Another server, no project, no ledger."""
    points = contents(node, "products")
    other = fresh_qdrant(cluster=False)
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from qdrantctl.cli.main import run

    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["snapshots", "restore", "collection/products@latest", "--auto-approve",
                    "--from", f"file://{kept}", "--url", other.url, "-C", str(nowhere),
                    "--as", "products"])  # fmt: skip
    assert code == 0, out.getvalue() + err.getvalue()
    assert contents(other, "products") == points


def test_the_one_that_is_meant(node, shop, kept):
    backdate(kept, 2)
    fill(node, first=100)
    assert shop.run(node, "snapshots", "run").code == 0
    old, new = (json.loads((s / "set.json").read_text()) for s in sets(kept))
    assert back(shop, node, kept, "--as", "a").code == 0
    assert back(shop, node, kept, "--as", "b", "--at", new["scheduled"]).code == 0
    told = back(shop, node, kept, "--as", "c", what=f"collection/products@{old['id']}")
    assert told.code == 0, told.err
    counts = [asked(node, "GET", f"/collections/{name}")["points_count"] for name in "abc"]
    assert counts == [60, 30, 30]
    assert back(shop, node, kept, "--at", "2001-01-01").code == 1
    assert back(shop, node, kept, "--at", "yesterday").code == 64


def test_from_the_cluster(node, shop, kept):
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    words = ("snapshots", "restore", "collection/products", "--auto-approve", "--from", "cluster")
    told = shop.run(node, *words, "--as", "again")
    assert told.code == 0, told.err
    assert contents(node, "again") == contents(node, "products")


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
    elif how == "version":
        sidecar["snapshot"]["server"] = "1.15.4"
    if how != "missing":
        file.write_bytes(bytes(data))
    (found / "set.json").write_text(json.dumps(sidecar))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("flipped byte", "no longer what was taken"),
        ("truncated", "were written"),
        ("missing", "is missing"),
        ("points", "shard 0"),
        ("a point", "not as it was"),
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


def test_another_version(node, shop, kept):
    tamper(kept, "version")
    told = shop.run(node, "snapshots", "verify")
    assert (told.code, "same minor version" in told.err) == (1, True)
    assert back(shop, node, kept, "--as", "again").code == 1


def test_three_nodes(three_nodes, tmp_path):
    emptied(three_nodes)
    first = three_nodes[0]
    shop = Shop(tmp_path / "shop")
    shop.names(three_nodes)
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(first)
    fill(first)
    assert shop.run(first, "snapshots", "run").code == 0
    told = shop.run(first, "snapshots", "verify")
    assert told.code == 0, told.out + told.err
    told = back(shop, first, folder, "--as", "again")
    assert told.code == 0, told.out + told.err
    assert contents(first, "again") == contents(first, "products")
    next(sets(folder)[0].glob("*.snapshot")).unlink()
    told = shop.run(first, "snapshots", "verify", "--format", "json")
    assert (told.code, "is missing" in told.out) == (6, True)
