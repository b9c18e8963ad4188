"""Listing and pruning: what is kept and why, what is no whole set, and nothing unasked."""

from __future__ import annotations

import json
import re
import time

import pytest

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from qdrantctl.adapters.stores.folder import FolderStore
from qdrantctl.engine.snapshots.retention import expired_sets
from qdrantctl.flows.snapshots.sets.catalog import Destination, list_sets
from tests.support.project import asked
from tests.support.snapshot_policies import backdate, ledger_holds, ledger_sets, policy, sets
from tests.support.snapshots import files, fill


@pytest.fixture
def kept(node, shop, tmp_path):
    """Two sets in a folder, of which retention keeps one."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(node)
    fill(node)
    assert shop.run(node, "snapshots", "run").code == 0
    backdate(folder, 2)
    assert shop.run(node, "snapshots", "run").code == 0
    shop.keeps({"nightly": policy(folder, retention={"keep_last": 1})})
    shop.done(node)
    return folder


def test_the_list_says_what_keeps_each(node, shop, kept):
    told = shop.run(node, "snapshots", "list", "--format", "json")
    old, new = told.document["sets"]
    assert (old["kept_by"], new["kept_by"]) == ([], ["keep_last"])
    assert (old["state"], old["points"], old["verified"]) == ("complete", 30, None)
    assert old["age_seconds"] - new["age_seconds"] > 100_000
    assert "2 sets, " in shop.run(node, "snapshots", "list").out
    there = shop.run("http://127.0.0.1:1", "snapshots", "list", "--from", f"file://{kept}")
    assert there.code == 0, there.err
    assert there.out.count("collection/products@") == 2


def test_a_file_of_a_set_is_listed_once(node, shop, kept):
    """What is beneath is of no set; so a file that a killed run has left is seen at once."""
    shop.keeps({"nightly": policy(["cluster", f"file://{kept}"])})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    told = shop.run(node, "snapshots", "list")
    assert "outside sets" not in told.out
    assert told.out.splitlines()[0].split()[:3] == ["set", "owner", "taken"]
    assert told.out.count("  shop/dev  ") == told.out.count("\ncollection/products@")
    [file] = files(node)
    time.sleep(1)  # one of the same second has the same name
    made = asked(node, "POST", "/collections/products/snapshots?wait=true")
    told = shop.run(node, "snapshots", "list").out
    upper, beneath = told.split("Snapshots outside sets, ")
    assert "sets, " in upper
    assert made["name"] in beneath
    assert file.name not in beneath
    assert beneath.splitlines()[1].split()[-1] == "state"


def test_pruning_takes_what_is_not_kept_and_no_orphan_unnamed(node, shop, kept):
    orphan = sets(kept)[0].parent / "torn"
    orphan.mkdir()
    (orphan / "1.snapshot").write_text("half")
    told = shop.run(node, "snapshots", "prune", "--dry-run", "--format", "json")
    assert [each["state"] for each in told.document["removed"]] == ["complete"]
    assert [each["state"] for each in told.document["left"]] == ["orphan"]
    assert len(sets(kept)) == 2
    told = shop.run(node, "snapshots", "prune")
    assert told.code == 0, told.err
    assert (len(sets(kept)), orphan.exists()) == (1, True)
    assert "--orphan FOLDER" in told.out
    told = shop.run(node, "snapshots", "prune", "--orphan", "shop/dev/nightly/products/nothing")
    assert told.code == 64
    told = shop.run(node, "snapshots", "prune", "--orphan", f"{orphan.relative_to(kept)}/")
    assert (told.code, orphan.exists(), len(sets(kept))) == (0, False, 1)


def test_a_set_that_is_not_whole_pushes_no_good_one_out(node, shop, kept):
    new = sets(kept)[-1]
    [file] = new.glob("*.snapshot")
    file.write_bytes(file.read_bytes()[:-1])
    document = shop.run(node, "snapshots", "prune", "--dry-run", "--format", "json").document
    assert document["removed"] == []
    assert [each["state"] for each in document["left"]] == ["bad"]


def test_killed_while_pruning(node, shop, kept):
    store = Destination(FolderStore(f"file://{kept}"))
    old = sets(kept)[0]
    about = json.loads((old / "set.json").read_text())
    (old / "pruned.json").write_text(json.dumps(about))
    (old / "set.json").unlink()
    infos = [each.info for each in list_sets(store)]
    assert [each.state for each in expired_sets(infos)] == ["leaving", "complete"]
    assert shop.run(node, "snapshots", "prune").code == 0
    assert (old.exists(), len(sets(kept))) == (False, 1)


def test_killed_while_pruning_what_is_on_the_servers(node, shop, kept):
    """What marks a set as leaving is then all that tells the names of its files."""
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    [(name, about)] = ledger_sets(node).items()
    ledger_holds(node, {name.replace("set.json", "pruned.json"): about})
    assert len(files(node)) == 1
    told = shop.run(node, "snapshots", "prune")
    assert told.code == 0, told.err
    assert (files(node), ledger_sets(node)) == ([], {})


def test_sets_of_a_collection_that_is_gone_go_only_by_name(node, shop, kept):
    asked(node, "DELETE", "/collections/products")
    told = shop.run(node, "snapshots", "prune", "--format", "json").document
    assert (told["removed"], len(told["left"]), len(sets(kept))) == ([], 2, 2)
    assert shop.run(node, "snapshots", "run").code == 0
    assert len(sets(kept)) == 2
    folder = told["left"][0]["folder"]
    assert shop.run(node, "snapshots", "prune", "--orphan", folder).code == 0
    assert len(sets(kept)) == 1


@pytest.fixture
def on_the_server(node, shop):
    """A set that stayed on the server, of a collection that is gone."""
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    fill(node)
    assert shop.run(node, "snapshots", "run").code == 0
    [file] = files(node)
    asked(node, "DELETE", "/collections/products")
    [name] = ledger_sets(node)
    return file, name.rpartition("/")[0]


def test_what_no_server_deletes_stays_known(node, shop, on_the_server):
    file, folder = on_the_server
    told = shop.run(node, "snapshots", "prune", "--orphan", folder)
    assert (told.code, told.out) == (1, ""), told.out
    assert "a server cannot delete snapshots of a deleted collection" in told.err
    assert "Create an empty collection with that name" in told.err
    assert (files(node), [name.rpartition("/")[0] for name in ledger_sets(node)]) == (
        [file],
        [folder],
    )
    [path] = re.findall(r"send DELETE (\S+\.snapshot)", told.err)
    asked(node, "PUT", "/collections/products", {})
    asked(node, "DELETE", path)
    told = shop.run(node, "snapshots", "prune", "--orphan", folder)
    assert told.code == 0, told.err
    assert (files(node), ledger_sets(node)) == ([], {})


def test_what_somebody_deleted_on_the_servers_disk_is_forgotten(node, shop, on_the_server):
    file, folder = on_the_server
    file.unlink()
    told = shop.run(node, "snapshots", "prune", "--orphan", folder)
    assert told.code == 0, told.err
    assert ledger_sets(node) == {}


def without_zone(about):
    return about | dict.fromkeys(("scheduled", "taken"), "2026-01-01T00:00:00")


def test_a_time_without_a_zone_makes_an_orphan_and_breaks_nothing(node, shop, kept):
    shop.keeps({"cluster": policy("cluster"), "nightly": policy(kept)})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    odd = sets(kept)[0].parent / "odd"
    odd.mkdir()
    about = json.loads((sets(kept)[0] / "set.json").read_text())
    (odd / "set.json").write_text(json.dumps(without_zone(about)))
    (sets(kept)[0] / "verified.json").write_text(
        json.dumps({"when": "2026-01-01T00:00:00", "good": False, "server": "1.16.3"})
    )
    held = {name: without_zone(each) for name, each in ledger_sets(node, "cluster").items()}
    ledger_holds(node, held, "cluster")
    told = shop.run(node, "snapshots", "list", "--format", "json")
    assert told.code == 0, told.err
    states = {row["folder"]: row["state"] for row in told.document["sets"]}
    assert sorted(states.values()) == ["complete", "complete", "orphan", "orphan"]
    there = shop.run(node, "snapshots", "list", "--from", f"file://{kept}")
    assert (there.code, "orphan" in there.out) == (0, True), there.err
    for words in (("plan",), ("snapshots", "run")):
        told = shop.run(node, *words)
        assert told.code == 0, told.err


def test_what_the_ledger_tells_of_snapshots_and_nobody_can_read(node, shop, kept):
    body = {
        "payload": {"snapshots": [{"id": 1}]},
        "points": [ledger_point_id("collection/products")],
    }
    asked(node, "POST", "/collections/_qdrantctl/points/payload?wait=true", body)
    told = shop.run(node, "snapshots", "list", "--format", "json")
    assert (told.code, len(told.document["sets"])) == (0, 2), told.err
    assert "ledger's entry of collection/products" in told.err


def test_a_destination_that_cannot_be_read_ends_with_an_error(node, shop, tmp_path):
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(node)
    folder.write_text("a file where the folder should be")
    told = shop.run(node, "snapshots", "list")
    assert told.code == 1
    assert "the list is incomplete" in told.err
    assert str(folder) in told.err
    told = shop.run(node, "snapshots", "list", "--from", f"file://{tmp_path}/nowhere")
    assert (told.code, "there is no such folder" in told.err) == (1, True)
