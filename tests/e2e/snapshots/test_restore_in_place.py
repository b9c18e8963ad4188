"""Restoring over what stands: only by name, after a snapshot of it, and with its aliases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from qdrantctl.model.server import Version
from tests.support.git_repo import commit_all
from tests.support.project import VECTORS, asked, emptied, record
from tests.support.proxy import answer, proxied
from tests.support.snapshot_policies import PRODUCTS, Shop, policy, sets
from tests.support.snapshots import FROM, about, contents, fill, names

CONSENT = ("--as", "products", "--allow-replace", FROM)


def aliases(node):
    told = asked(node, "GET", "/aliases")["aliases"]
    return {entry["alias_name"]: entry["collection_name"] for entry in told}


def states(shop, folder, products=PRODUCTS):
    """The policy, products, and its alias."""
    shop.keeps({"nightly": policy(folder)}, {"products": products})
    alias = {"apiVersion": "qdrantctl/v1", "kind": "Alias", "metadata": {"name": "live"},
             "spec": {"collection": "products"}}  # fmt: skip
    (shop.folder / "manifests" / "alias.yaml").write_text(json.dumps(alias))


@pytest.fixture
def kept(node, shop, tmp_path):
    """A folder with a set of products; since then it has other points."""
    folder = tmp_path / "backups"
    states(shop, folder)
    shop.done(node)
    fill(node)
    assert shop.run(node, "snapshots", "run").code == 0
    return folder


def back(shop, at, folder, *words):
    start = ("snapshots", "restore", FROM, "--from", f"file://{folder}", "--auto-approve")
    return shop.run(at, *start, *words)


def test_a_set_that_this_server_does_not_know_touches_nothing(node, shop, kept):
    """As a set of a newer server would be: the set says so itself."""
    before = contents(node, "products"), about(node, "products")
    (found,) = sets(kept)
    sidecar = json.loads((found / "set.json").read_text())
    sidecar["snapshot"]["server"] = "99.0.0"
    sidecar["snapshot"]["spec"]["read_fan_out_delay_ms"] = 50
    sidecar["snapshot"]["spec"]["payload"] = {"memory": "cold"}
    (found / "set.json").write_text(json.dumps(sidecar))
    version = Version.parse(node.request("GET", "/")[1]["version"])
    if version >= Version(1, 19, 0):
        pytest.skip(f"Qdrant {version} knows these settings")
    told = back(shop, node, kept, *CONSENT)
    assert (told.code, "does not know" in told.err) == (1, True), told.err
    assert "payload.memory" in told.err
    assert (contents(node, "products"), about(node, "products")) == before
    assert aliases(node) == {"live": "products"}


def test_what_stands_is_kept_and_replaced(node, shop, kept):
    then, settings = contents(node, "products"), about(node, "products")
    fill(node, first=100, count=5)
    states(shop, kept, PRODUCTS | {"metadata": {"team": "search"}})
    shop.done(node)
    since = contents(node, "products")
    told = back(shop, node, kept, *CONSENT, "--format", "json")
    assert told.code == 0, told.out + told.err
    assert "replaces one with 35 points" in told.err
    first, second = told.document["outcomes"]
    assert (first["action"], second["address"], second["status"]) == (
        "replace", "alias/live", "done")  # fmt: skip
    assert (contents(node, "products"), about(node, "products")) == (then, settings)
    assert aliases(node) == {"live": "products"}

    entry = record(node, FROM)
    taken = json.loads((sets(kept)[0] / "set.json").read_text())["snapshot"]
    assert (entry["spec"], entry["schema_version"]) == (taken["manifest"], 1)
    assert entry["history"][-1]["snapshot"] in first["way_back"]
    assert "pending" not in entry
    assert shop.run(node, "drift").code == 0
    plan = shop.plan(node)
    assert plan.change(FROM)["cause"] == "edit"
    assert [f["path"] for f in plan.change(FROM)["fields"]] == [["metadata", "team"]]

    told = shop.run(node, *first["way_back"].split()[1:], "--as", "since", "--auto-approve")
    assert told.code == 0, told.out + told.err
    assert contents(node, "since") == since
    shop.done(node)


def test_without_consent_nothing_is_done(node, shop, kept):
    before = contents(node, "products"), about(node, "products"), names(node)
    told = back(shop, node, kept, "--as", "products")
    assert (told.code, "--allow-replace collection/products" in told.err) == (1, True)
    told = back(shop, node, kept, "--as", "products", "--allow-replace", "collection/other")
    assert told.code == 1
    told = back(shop, node, kept, "--as", "products", "--allow-replace", "products")
    assert (told.code, "Addresses are KIND/NAME" in told.err) == (64, True)
    project = shop.folder / "qdrantctl.yaml"
    text = project.read_text()
    project.write_text(text.replace("FLOWS_URL}}", "FLOWS_URL}, protected: true}"))
    told = back(shop, node, kept, *CONSENT)
    assert (told.code, "under consents in qdrantctl.yaml" in told.err) == (1, True)
    assert (contents(node, "products"), about(node, "products"), names(node)) == before
    consent = "  consents: [{replace: collection/products, until: 2999-01-01}]\n"
    project.write_text(project.read_text() + consent)
    told = back(shop, node, kept, "--as", "products")
    assert (told.code, "not in a git repository" in told.err) == (1, True)
    assert (contents(node, "products"), about(node, "products"), names(node)) == before
    commit_all(shop.folder)
    assert back(shop, node, kept, "--as", "products").code == 0


def test_what_is_protected_or_another_ones_stays(node, shop, kept, tmp_path):
    states(shop, kept, {"spec": PRODUCTS, "lifecycle": {"protect": True}})
    shop.done(node)
    told = back(shop, node, kept, *CONSENT)
    assert (told.code, "is protected" in told.err) == (1, True)
    other = Shop(tmp_path / "other")
    project = other.folder / "qdrantctl.yaml"
    project.write_text(project.read_text().replace("shop", "other"))
    told = back(other, node, kept, *CONSENT)
    assert (told.code, "owned by shop/dev, not other/dev" in told.err) == (1, True)
    told = back(other, node, kept, "--with-aliases", "--as", "again")
    assert (told.code, "alias/live cannot be restored" in told.err) == (1, True)
    assert names(node) == {"products", "_qdrantctl"}


def test_a_damaged_set_destroys_nothing(node, shop, kept):
    [file] = sets(kept)[0].glob("*.snapshot")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    before = contents(node, "products"), about(node, "products")
    told = back(shop, node, kept, *CONSENT)
    assert (told.code, "Nothing of collection/products was destroyed" in told.out) == (6, True)
    assert (contents(node, "products"), about(node, "products")) == before
    assert aliases(node) == {"live": "products"}
    assert shop.plan(node).code == 0


@pytest.mark.parametrize("where", ["DELETE /collections/products", "POST /collections/products/sn"])
@pytest.mark.parametrize("way", ["drop", "cut"])
def test_the_next_one_finishes(node, shop, kept, where, way):
    """Cut off at its deletion, and at the first byte of what takes its place."""
    then = contents(node, "products")
    fill(node, first=100, count=5)
    since = contents(node, "products")
    met = []

    def cut(_, head):
        # The first snapshot is that of what stands.
        if not head.startswith(where.encode()) or (b"upload" not in head and b"POST" in head):
            return None
        met.append(head)
        return way

    with proxied(node.http_port, cut) as proxy:
        told = back(shop, proxy.url, kept, *CONSENT)
    assert (told.code, bool(met)) == (6, True), told.out + told.err
    [safe] = record(node, FROM)["snapshots"]
    told = back(shop, node, kept, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert contents(node, "products") == then
    assert aliases(node) == {"live": "products"}
    assert shop.plan(node).code == 0
    what = f"{FROM}@{safe['id']}"
    told = shop.run(node, "snapshots", "restore", what, "--as", "since", "--auto-approve")
    assert told.code == 0, told.out + told.err
    assert contents(node, "since") == since


@pytest.mark.parametrize("gone", [True, False], ids=["all", "half"])
def test_no_apply_and_no_policy_takes_what_is_half_there(node, shop, kept, gone):
    """Killed once what stood there was down, or once the server had made what takes its place."""
    then = contents(node, "products")
    upload = b"POST /collections/products/snapshots/upload"
    met = []

    def kill(_, head):
        if not head.startswith(upload):
            return None
        met.append(head)
        if not gone:
            return "cut"
        os.kill(victim.pid, signal.SIGKILL)
        return "drop"

    with proxied(node.http_port, kill) as proxy:
        proxy.after_cut = lambda: os.kill(victim.pid, signal.SIGKILL)
        words = [sys.executable, "-m", "qdrantctl", "snapshots", "restore", FROM, "--auto-approve",
                 "--from", f"file://{kept}", "-C", str(shop.folder), *CONSENT]  # fmt: skip
        environ = os.environ | {"FLOWS_URL": proxy.url}
        victim = subprocess.Popen(words, env=environ, stdout=-1, stderr=-1)
        victim.communicate(timeout=60)
    assert met
    for lease in names(node) - {"products", "_qdrantctl"}:
        asked(node, "DELETE", f"/collections/{lease}")
    plan = shop.plan(node)
    assert (plan.code, "QC216" in plan.rules) == (3, True), plan.out
    [found] = [v for v in plan.document["violations"] if v["rule"] == "QC216"]
    [safe] = record(node, FROM)["snapshots"]
    assert f"{FROM}@{safe['id']}" in found["hint"]
    assert shop.apply(node).code == 3
    assert shop.run(node, "drift").code == 2
    for _ in range(2):
        assert (shop.run(node, "snapshots", "run").code, len(sets(kept))) == (0 if gone else 6, 1)
    told = back(shop, node, kept, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert f"{FROM}@{safe['id']}" in told.out.splitlines()[-1]
    assert contents(node, "products") == then
    assert aliases(node) == {"live": "products"}
    assert shop.run(node, "drift").code == 0
    assert shop.run(node, "snapshots", "run").code == 0
    assert shop.plan(node).code == 0


def test_it_is_restored_while_somebody_writes(node, shop, kept):
    """What is written is in the snapshot of what stood there, or in what was restored."""
    stop = threading.Event()

    def write():
        number = 1000
        while not stop.is_set():
            number += 1
            point = {"id": number, "vector": [1, 1, 1, 1]}
            node.request("PUT", "/collections/products/points?wait=true", {"points": [point]})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        told = back(shop, node, kept, *CONSENT)
    finally:
        stop.set()
        writer.join()
    assert told.code in (0, 6), told.out + told.err
    assert aliases(node) == {"live": "products"}
    assert shop.run(node, "drift").code == 0
    back_line = [line for line in told.out.splitlines() if line.startswith("To restore")]
    assert back_line


def test_without_a_ledger(node, shop, kept):
    then = contents(node, "products")
    fill(node, first=100, count=5)
    asked(node, "DELETE", "/collections/_qdrantctl")
    told = back(shop, node, kept, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert contents(node, "products") == then
    assert aliases(node) == {"live": "products"}
    assert len(record(node, FROM)["snapshots"]) == 1


def test_an_alias_of_another_one_comes_up_again(node, shop, kept, tmp_path):
    other = Shop(tmp_path / "other")
    project = other.folder / "qdrantctl.yaml"
    project.write_text(project.read_text().replace("shop", "other"))
    other.states({}, {"theirs": "products"})
    assert other.apply(node).code == 0
    told = back(shop, node, kept, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert aliases(node) == {"live": "products", "theirs": "products"}
    told = back(shop, node, kept, "--as", "live2", "--with-aliases")
    assert told.code == 0, told.out + told.err
    asked(node, "POST", "/collections/aliases",
          {"actions": [{"delete_alias": {"alias_name": "live"}}]})  # fmt: skip
    told = back(shop, node, kept, "--as", "live", "--with-aliases")
    assert (told.code, "it is the name of the collection itself" in told.err) == (1, True)


def test_aliases_are_put_back_where_that_is_asked(node, shop, kept):
    told = back(shop, node, kept, "--as", "again")
    assert "live" in told.out.split("--with-aliases")[1]
    assert aliases(node) == {"live": "products"}
    told = back(shop, node, kept, "--as", "third", "--with-aliases")
    assert told.code == 0, told.out + told.err
    assert "alias/live will be updated" in told.out
    assert aliases(node) == {"live": "third"}
    drift = shop.run(node, "drift")
    assert (drift.code, "alias/live" in drift.out) == (2, True)


def test_what_vanished_is_the_one_that_was_applied(node, shop, kept):
    then = contents(node, "products")
    asked(node, "DELETE", "/collections/products")
    assert shop.run(node, "drift").code == 2
    told = back(shop, node, kept, "--as", "products", "--with-aliases")
    assert told.code == 0, told.out + told.err
    assert "ledger entry is the one of that time" in told.out
    assert contents(node, "products") == then
    assert shop.run(node, "drift").code == 0
    assert shop.plan(node).code == 0


def test_what_nobody_manages_stays_so(node, shop, kept, tmp_path):
    shop.keeps({"nightly": policy(kept)}, {})
    (shop.folder / "manifests" / "alias.yaml").unlink()
    flags = ("--allow-delete", FROM, "--max-deletes", "9")
    shop.done(node, *flags)
    asked(node, "PUT", "/collections/products", {"vectors": VECTORS})
    told = back(shop, node, kept, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert "It is unmanaged until" in told.out
    plan = shop.plan(node)
    assert (plan.code, plan.document["unmanaged"]) == (0, [FROM])
    assert len(record(node, FROM)["snapshots"]) == 2


def test_of_the_ledgers_snapshot(node, shop, kept):
    then = contents(node, "products")
    larger = {"spec": PRODUCTS | {"vectors": {"size": 8, "distance": "Dot"}}}
    states(shop, kept, larger)
    shop.done(node, "--allow-replace", FROM)
    words = ("snapshots", "restore", FROM, "--auto-approve", *CONSENT)
    told = shop.run(node, *words)
    assert told.code == 0, told.out + told.err
    assert contents(node, "products") == then
    assert aliases(node) == {"live": "products"}
    assert "restoring" not in record(node, FROM)
    assert shop.run(node, "drift").code == 0
    plan = shop.plan(node)
    assert (plan.code, plan.change(FROM)["cause"]) == (3, "edit")


def test_three_nodes(three_nodes, tmp_path):
    emptied(three_nodes)
    first = three_nodes[0]
    shop, folder = Shop(tmp_path / "shop"), tmp_path / "backups"
    shop.names(three_nodes)
    states(shop, folder, PRODUCTS | {"shard_number": 3, "replication_factor": 2})
    shop.done(first)
    fill(first)
    assert shop.run(first, "snapshots", "run").code == 0
    then = contents(first, "products")
    fill(first, first=100, count=5)
    told = back(shop, first, folder, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert [contents(node, "products") for node in three_nodes] == [then] * 3
    assert aliases(first) == {"live": "products"}
    assert shop.run(first, "drift").code == 0


def test_of_what_stayed_on_the_server(node, shop, kept):
    """Its file is no longer listed once the collection is down."""
    then = contents(node, "products")
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    fill(node, first=100, count=5)
    words = ("snapshots", "restore", FROM, "--from", "cluster", "--auto-approve")
    told = shop.run(node, *words, *CONSENT)
    assert told.code == 0, told.out + told.err
    assert contents(node, "products") == then
    asked(node, "DELETE", "/collections/products")
    [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert row["state"] == "complete"
    told = shop.run(node, *words, "--as", "again")
    assert told.code == 0, told.out + told.err
    assert contents(node, "again") == then


def test_in_place_of_what_could_not_be_read_afterwards(node, shop, kept):
    """The collection that lists the files would be gone, so they must be usable on the disk."""
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    before = contents(node, "products")
    words = ("snapshots", "restore", FROM, "--from", "cluster", "--auto-approve", *CONSENT)
    refused = answer(403, b'{"status":{"error":"forbidden"},"time":0.0}')

    def refuse(_, head):
        return refused if b"/snapshots/recover" in head else None

    with proxied(node.http_port, refuse) as proxy:
        told = shop.run(proxy.url, *words)
    shown = told.out + told.err
    assert (told.code, "only while a collection of that name exists" in shown) == (6, True), shown
    assert contents(node, "products") == before


def test_a_record_without_an_end_is_left_as_it_was(node, shop, kept):
    """What an apply began that died before it had made anything; then a restore fails, too."""
    entry = record(node, FROM) | {"address": "collection/again", "object": "again"}
    del entry["deleted"]
    points = [{"id": ledger_point_id("collection/again"), "vector": {}, "payload": entry}]
    asked(node, "PUT", "/collections/_qdrantctl/points?wait=true", {"points": points})
    [file] = sets(kept)[0].glob("*.snapshot")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    told = back(shop, node, kept, "--as", "again")
    assert (told.code, "no longer what was taken" in told.out) == (6, True), told.out + told.err
    assert record(node, "collection/again") == entry


def test_what_was_done_is_told_though_it_could_not_be_recorded(node, shop, kept):
    then = contents(node, "products")
    fill(node, first=100, count=5)
    uploaded = []

    def refuse(_, head):
        if head.startswith(b"POST /collections/products/snapshots/upload"):
            uploaded.append(head)
        writes = uploaded and head.startswith(b"PUT /collections/_qdrantctl/points")
        return answer(507, b'{"status":{"error":"no room"}}') if writes else None

    with proxied(node.http_port, refuse) as proxy:
        told = back(shop, proxy.url, kept, *CONSENT)
    assert (told.code, "no room" in told.out) == (6, True), told.out + told.err
    assert "To restore" in told.out
    assert contents(node, "products") == then
    assert aliases(node) == {"live": "products"}
