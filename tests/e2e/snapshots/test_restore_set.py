"""The way back from a destination: all as it was, and gone with nothing at hand but a URL."""

from __future__ import annotations

import json

from tests.support.cli import run_cli
from tests.support.project import asked, emptied
from tests.support.snapshot_policies import PRODUCTS, Shop, backdate, policy, sets
from tests.support.snapshots import about, contents, files, fill, names


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
    told = run_cli(
        *("snapshots", "restore", "collection/products@latest", "--auto-approve"),
        *("--from", f"file://{kept}", "--url", other.url, "--as", "products"),
        project=nowhere,
    )
    assert told.code == 0, told.out + told.err
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


def test_newer_ones_that_are_passed_over_are_told(node, shop, kept):
    for _ in range(2):
        backdate(kept, 2)
        assert shop.run(node, "snapshots", "run").code == 0
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 9})})
    old, new = sets(kept)
    torn = next(new.glob("*.snapshot"))
    torn.write_bytes(torn.read_bytes()[:-1])
    told = back(shop, node, kept, "--as", "a")
    assert told.code == 0, told.err
    assert f"; 1 newer skipped: {new.name} is bad)" in told.out
    (new / "set.json").rename(new / "begun.json")
    told = back(shop, node, kept, "--as", "b")
    assert f"; 1 newer skipped: {new.name} is unfinished)" in told.out
    before = json.loads((old / "set.json").read_text())["taken"]
    told = back(shop, node, kept, "--as", "c", "--at", before)
    assert (told.code, "newer skipped" in told.out) == (0, False)
    told = back(shop, node, kept, "--as", "d", what=f"collection/products@{old.name}")
    assert (told.code, "newer skipped" in told.out) == (0, False)


def test_what_a_wrong_clock_dated_is_not_the_latest(node, shop, kept):
    backdate(kept, -400)
    fill(node, first=100, count=5)
    assert shop.run(node, "snapshots", "run").code == 0
    wrong, _ = (json.loads((found / "set.json").read_text()) for found in sets(kept))
    assert back(shop, node, kept, "--as", "a").code == 0
    assert back(shop, node, kept, "--as", "b", what=f"collection/products@{wrong['id']}").code == 0
    counts = [asked(node, "GET", f"/collections/{name}")["points_count"] for name in "ab"]
    assert counts == [35, 30]


def test_a_name_with_an_at(node, shop, tmp_path):
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)}, {"a@b": PRODUCTS})
    shop.done(node)
    fill(node, "a@b")
    assert shop.run(node, "snapshots", "run").code == 0
    about = json.loads((sets(folder)[0] / "set.json").read_text())
    for name, mark in (("b", ""), ("c", "@latest"), ("d", f"@{about['id']}")):
        told = back(shop, node, folder, "--as", name, what=f"collection/a@b{mark}")
        assert told.code == 0, told.err
        assert contents(node, name) == contents(node, "a@b")
    assert back(shop, node, folder, what="collection/a").code == 1


def test_nothing_to_verify(node, shop, tmp_path):
    shop.keeps({"nightly": policy(tmp_path / "backups")})
    shop.done(node)
    told = shop.run(node, "snapshots", "verify")
    assert (told.code, told.out) == (0, "Nothing to verify.\n")


def test_from_the_cluster(node, shop, kept):
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    words = ("snapshots", "restore", "collection/products", "--auto-approve", "--from", "cluster")
    told = shop.run(node, *words, "--as", "again")
    assert told.code == 0, told.err
    assert contents(node, "again") == contents(node, "products")


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
    told = shop.run(first, "snapshots", "verify", "--scratch", "embedded")
    assert told.code == 0, told.out + told.err
    at = [word for node in three_nodes for word in ("--node", node.url)]
    told = back(shop, first, folder, "--as", "third", "--url", first.url)
    assert (told.code, "cannot reach every node" in told.err) == (1, True), told.out + told.err
    assert "third" not in names(first)
    told = back(shop, first, folder, "--as", "third", "--url", first.url, *at)
    assert told.code == 0, told.out + told.err
    assert contents(first, "third") == contents(first, "products")
    assert back(shop, first, folder, "--as", "fourth", *at).code == 64
    next(sets(folder)[0].glob("*.snapshot")).unlink()
    told = shop.run(first, "snapshots", "verify", "--format", "json")
    assert (told.code, "is missing" in told.out) == (6, True)


def test_a_name_that_would_be_swept_is_not_taken(node, shop, kept):
    told = back(shop, node, kept, "--as", "qdrantctl-verify-mine")
    assert (told.code, "reserved for temporary collections" in told.err) == (64, True)
