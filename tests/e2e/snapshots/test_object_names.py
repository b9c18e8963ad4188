"""Sets and snapshots of a collection that was replaced: those of both names are its own."""

from __future__ import annotations

import json

import pytest

from tests.support.object_names import drop_kept, replace
from tests.support.project import asked, record
from tests.support.snapshot_policies import PRODUCTS, backdate, backdate_ledger, policy, sets
from tests.support.snapshots import FROM, contents, fill

ALIAS = {"apiVersion": "qdrantctl/v1", "kind": "Alias", "metadata": {"name": "live"},
         "spec": {"collection": "products"}}  # fmt: skip
IN_PLACE = ("--as", "products", "--allow-replace", FROM, "--auto-approve")


@pytest.fixture(params=["folder", "cluster"])
def replaced(request, node, shop, tmp_path):
    """A policy with a set of the old collection, which is kept beside the new one."""
    folder = tmp_path / "backups"
    where = folder if request.param == "folder" else ["cluster"]
    shop.keeps({"nightly": policy(where)})
    (shop.folder / "manifests" / "alias.yaml").write_text(json.dumps(ALIAS))
    shop.done(node)
    fill(node)
    assert shop.run(node, "snapshots", "run").code == 0
    replace(node, "products", "products--2")
    asked(node, "PATCH", "/collections/products--2", {"params": {"read_fan_out_factor": 2}})
    backdate(folder, 2) if request.param == "folder" else backdate_ledger(node, 2)
    return f"file://{folder}" if request.param == "folder" else "cluster"


def test_sets_of_both_names_are_one_history(node, shop, replaced, tmp_path):
    told = shop.run(node, "snapshots", "run", "--format", "json")
    assert told.code == 0, told.out + told.err
    (taken,) = told.document["outcomes"][0]["taken"]
    assert taken["address"] == FROM
    listed = shop.run(node, "snapshots", "list", FROM, "--format", "json")
    assert listed.code == 0, listed.err
    if replaced != "cluster":
        newest = json.loads((sets(tmp_path / "backups")[-1] / "set.json").read_text())["snapshot"]
        assert (newest["collection"], newest["object"]) == ("products", "products--2")
    found = [entry for entry in listed.document["sets"] if entry["state"] == "complete"]
    assert (len(found), {entry["address"] for entry in found}) == (2, {FROM})

    before = contents(node, "products--2")
    fill(node, "products--2", first=100, count=5)
    restore = ("snapshots", "restore", FROM, "--from", replaced, *IN_PLACE)
    told = shop.run(node, *restore)
    assert (told.code, "is being replaced" in told.err) == (1, True)
    drop_kept(node)
    told = shop.run(node, *restore)
    assert told.code == 0, told.out + told.err
    assert contents(node, "products--2") == before
    assert record(node, FROM)["object"] == "products--2"
    assert {a["collection_name"] for a in asked(node, "GET", "/aliases")["aliases"]} == {
        "products--2"
    }
    after = shop.plan(node)
    assert after.code == 0, after.out
    if replaced != "cluster":  # the first set is of another name, whose collection is gone
        first = json.loads((sets(tmp_path / "backups")[0] / "set.json").read_text())["id"]
        restore = ("snapshots", "restore", f"{FROM}@{first}", "--from", replaced, *IN_PLACE)
        told = shop.run(node, *restore)
        assert (told.code, contents(node, "products--2")) == (0, before), told.err


def test_a_safety_snapshot_brings_back_what_was_destroyed(node, shop):
    shop.keeps({}, {"products": PRODUCTS})
    shop.done(node)
    fill(node)
    replace(node, "products", "products--2", keep=False)
    before = contents(node, "products--2")
    shop.keeps({}, {})
    told = shop.apply(node, "--allow-delete", FROM, "--max-deletes", "1")
    assert told.code == 0, told.out + told.err
    (way_back,) = [o["way_back"] for o in told.document["outcomes"]]
    told = shop.run(node, *way_back.split()[1:], "--as", "again", "--auto-approve")
    assert told.code == 0, told.out + told.err
    assert contents(node, "again") == before
