"""A project or a policy gets another name: the sets of before are still its own."""

from __future__ import annotations

import json

import pytest

from tests.support.project import asked, record
from tests.support.snapshot_policies import (
    backdate,
    backdate_ledger,
    ledger_sets,
    ledger_tells,
    policy,
    sets,
)
from tests.support.snapshots import FROM, contents, files, fill

ALL = ("snapshots", "restore", FROM, "--auto-approve")


@pytest.fixture
def kept(node, shop, tmp_path):
    """A folder with a set that is also on the server."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy([f"file://{folder}", "cluster"], retention={"keep_last": 1})})
    shop.done(node)
    fill(node)
    assert shop.run(node, "snapshots", "run").code == 0
    return folder


def renamed(shop) -> None:
    """The project, from shop to store."""
    project = shop.folder / "qdrantctl.yaml"
    name = "{name: store, previous_names: [shop]}"
    project.write_text(project.read_text().replace("{name: shop}", name))


def listed(shop, node, *words: str) -> list[str]:
    told = shop.run(node, "snapshots", "list", "--format", "json", *words)
    assert told.code == 0, told.err
    return [f"{each['owner']}/{each['policy']}" for each in told.document["sets"]]


def test_sets_of_a_previous_name_are_the_projects_own(node, shop, kept):
    renamed(shop)
    there, points = f"file://{kept}", contents(node, "products")
    for applied in (False, True):
        if applied:
            shop.done(node, "--adopt", "*/*")
        told = shop.plan(node)
        assert [v for v in told.document["violations"] if v["rule"] == "QC165"] == []
        assert listed(shop, node) == ["shop/dev/nightly"] * 2
        assert shop.run(node, "snapshots", "run").out == "Nothing is due.\n"
        for source in (there, "cluster"):
            told = shop.run(node, *ALL, "--as", "again", "--from", source)
            assert told.code == 0, told.err
            assert contents(node, "again") == points
            asked(node, "DELETE", "/collections/again")


def test_sets_of_both_names_are_counted_together(node, shop, kept):
    """Before the new name is applied: what is recorded under the old one is the project's own."""
    renamed(shop)
    backdate(kept, 2)
    backdate_ledger(node, 2)
    assert shop.run(node, "snapshots", "run").code == 0
    assert listed(shop, node) == ["store/dev/nightly"] * 2, "keep_last is 1"
    assert (len(sets(kept)), len(files(node)), ledger_sets(node)) == (1, 1, {})
    about = json.loads((sets(kept)[0] / "set.json").read_text())
    assert about["snapshot"]["manifest"]["hnsw_config"] == {"m": 20}
    shop.keeps({"nightly": policy([f"file://{kept}", "cluster"], retention={"keep_last": 2})})
    shop.done(node, "--adopt", "*/*")
    assert shop.run(node, "snapshots", "verify").code == 0


def test_both_names_are_one_owner_to_a_restore(node, shop, kept):
    """Someone else's sets beside them still have to be told apart."""
    shop.keeps({"nightly": policy([f"file://{kept}", "cluster"])})
    renamed(shop)
    shop.done(node, "--adopt", "*/*")
    backdate(kept, 2)
    backdate_ledger(node, 2)
    fill(node, first=100, count=5)
    assert shop.run(node, "snapshots", "run").code == 0
    assert listed(shop, node, "--from", "cluster") == ["shop/dev/nightly", "store/dev/nightly"]
    told = shop.run(node, *ALL, "--as", "again", "--from", f"file://{kept}")
    assert told.code == 0, told.err
    assert contents(node, "again") == contents(node, "products")
    [old] = [found for found in sets(kept) if "shop" in found.parts[-6:]]
    for file in old.iterdir():
        text = file.read_bytes().replace(b'"owner": "shop/dev"', b'"owner": "other/dev"')
        file.write_bytes(text)
    (kept / "shop").rename(kept / "other")
    taken = record(node, "snapshot_sets/shop/dev/nightly")["taken"]
    moved = {folder.replace("shop/", "other/", 1): about for folder, about in taken.items()}
    ledger_tells(node, "snapshot_sets/shop/dev/nightly", {"taken": moved})
    told = shop.run(node, *ALL, "--as", "more", "--from", f"file://{kept}")
    assert (told.code, "of other/dev, store/dev" in told.err) == (1, True)


def test_what_a_policy_left_on_the_server_outlives_its_name(node, shop, kept):
    spec = policy("cluster")
    shop.keeps({"weekly": spec})
    shop.done(node)
    assert listed(shop, node, "--from", "cluster") == ["shop/dev/nightly"]
    assert listed(shop, node, "collection/others", "--from", "cluster") == []
    told = shop.run(node, *ALL, "--as", "again", "--from", "cluster")
    assert told.code == 0, told.err
    assert contents(node, "again") == contents(node, "products")
    told = shop.run(node, "snapshots", "restore", "collection/others", "--auto-approve",
                    "--from", "cluster")  # fmt: skip
    assert (told.code, "`qdrantctl snapshots list --from cluster`" in told.err) == (1, True)
