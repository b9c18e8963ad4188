"""A policy's life in a folder: due, run, not due, caught up once, removed by retention."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import asked, record
from tests.support.proxy import answer, proxied
from tests.support.snapshot_policies import (
    NIGHTLY,
    PRODUCTS,
    backdate,
    backdate_ledger,
    ledger_holds,
    ledger_sets,
    policy,
    sets,
    stray,
)
from tests.support.snapshots import files, fill


@pytest.fixture
def kept(node, shop, tmp_path):
    """The folder of a policy that was applied to a collection with points."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(node)
    fill(node)
    return folder


def test_what_is_due_is_taken_once(node, shop, kept):
    planned = shop.run(node, "snapshots", "run", "--dry-run", "--format", "json")
    change = planned.document["changes"][0]
    assert (planned.code, change["action"]) == (0, "run"), planned.err
    assert change["steps"] == [
        {"snapshot": {"collection": "products", "nodes": [], "to": [f"file://{kept}"]}}
    ]
    assert not kept.exists()

    told = shop.run(node, "snapshots", "run")
    assert told.code == 0, told.out + told.err
    [folder] = sets(kept)
    about = json.loads((folder / "set.json").read_text())
    [file] = about["snapshot"]["files"]
    data = (folder / f"{file['peer']}.snapshot").read_bytes()
    assert hashlib.sha256(data).hexdigest() == file["checksum"]
    assert len(data) == file["size"]
    assert about["snapshot"]["manifest"]["hnsw_config"] == {"m": 20}
    assert (about["snapshot"]["schema_version"], about["owner"]) == (1, "shop/dev")
    assert len(about["sample"]) == 8
    assert stray(kept) == []
    assert files(node) == []

    again = shop.run(node, "snapshots", "run")
    assert again.code == 0
    assert len(sets(kept)) == 1
    assert (
        shop.run(node, "snapshots", "run", "--dry-run", "--format", "json").document["changes"][0][
            "action"
        ]
        == "noop"
    )


def test_what_is_put_in_a_folder_is_its_users_alone(node, shop, tmp_path):
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    there.chmod(0o755)
    folder = there / "a" / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(node)
    before = os.umask(0)
    try:
        assert shop.run(node, "snapshots", "run").code == 0
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(f.stat().st_mode) for f in there.rglob("*") if f.is_file()}
    assert modes == {0o600}
    modes = {stat.S_IMODE(f.stat().st_mode) for f in there.rglob("*") if f.is_dir()}
    assert modes == {0o700}
    assert stat.S_IMODE(there.stat().st_mode) == 0o755


def test_what_was_missed_is_caught_up_once_and_the_oldest_goes(node, shop, kept):
    for number in range(4):
        assert shop.run(node, "snapshots", "run").code == 0
        assert len(sets(kept)) == min(number + 1, 2)
        backdate(kept, 3)
    assert stray(kept) == []
    assert files(node) == []


def test_a_dry_run_tells_what_retention_will_remove(node, shop, kept):
    def planned():
        told = shop.run(node, "snapshots", "run", "--dry-run", "--format", "json")
        return told.document["changes"][0]

    for _ in range(2):
        assert shop.run(node, "snapshots", "run").code == 0
        backdate(kept, 3)
    old, new = sets(kept)
    change = planned()
    assert change["because"] == (
        f"collection/products due; retention removes {old.relative_to(kept)}/ from file://{kept}"
    )
    assert old in sets(kept)
    assert shop.run(node, "snapshots", "run").code == 0
    assert (old in sets(kept), new in sets(kept)) == (False, True)
    assert planned()["action"] == "noop"
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1})})
    shop.done(node)
    change = planned()
    folder = f"{new.relative_to(kept)}/"
    assert (change["action"], change["steps"]) == (
        "run",
        [
            {
                "remove": {
                    "collection": "products",
                    "folder": folder,
                    "destination": f"file://{kept}",
                    "unless_finished": False,
                }
            }
        ],
    )
    assert change["because"].startswith(f"retention removes {new.relative_to(kept)}/")
    assert shop.run(node, "snapshots", "run").code == 0
    assert (len(sets(kept)), new in sets(kept)) == (1, False)


def test_sets_without_points_push_out_no_set_with_points(node, shop, kept):
    """Somebody emptied the collection, and the policy goes on as if nothing had happened."""
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1, "max_age": "3d"})})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    [full] = sets(kept)
    path = "/collections/products/points/delete?wait=true"
    asked(node, "POST", path, {"filter": {}})
    for count in (2, 2, 2):
        backdate(kept, 2)
        planned = shop.run(node, "snapshots", "run", "--dry-run", "--format", "json")
        assert f"{full.relative_to(kept)}/ from" not in planned.document["changes"][0]["because"]
        assert shop.run(node, "snapshots", "run").code == 0
        assert len(sets(kept)) == count
    rows = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert [row["kept_by"] for row in rows] == [["last with points"], ["keep_last"]]
    fill(node)
    backdate(kept, 2)
    planned = shop.run(node, "snapshots", "run", "--dry-run", "--format", "json")
    assert f"{full.relative_to(kept)}/ from" in planned.document["changes"][0]["because"]
    assert shop.run(node, "snapshots", "run").code == 0
    assert (len(sets(kept)), full.exists()) == (1, False)


def test_the_servers_copy_stays_where_the_policy_says_so(node, shop, kept):
    shop.keeps({"nightly": policy(kept, server_copy="keep")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    assert len(files(node)) == 1
    assert shop.run(node, "snapshots", "run").out == "Nothing is due.\n"
    assert shop.run(node, "snapshots", "list", "--format", "json").document["sets"][0]["state"] == (
        "complete"
    )


def test_the_servers_copy_goes_with_its_set_at_the_last_place(node, shop, kept, tmp_path):
    """Else retention would never free a byte of the server's disk."""
    other = tmp_path / "other"

    def asks(*where: Path, **words: Any) -> None:
        spec = policy([f"file://{folder}" for folder in where], retention={"keep_last": 1})
        shop.keeps({"nightly": spec | {"server_copy": "keep"} | words})
        shop.done(node)

    asks(kept, other)
    for _ in range(3):
        assert shop.run(node, "snapshots", "run").code == 0
        assert (len(sets(kept)), len(sets(other)), len(files(node))) == (1, 1, 1)
        backdate(kept, 1)
        backdate(other, 1)
    asks(kept)
    assert shop.run(node, "snapshots", "run").code == 0
    assert (len(sets(kept)), len(sets(other)), len(files(node))) == (1, 1, 1)
    asks(kept, server_copy="remove")
    assert shop.run(node, "snapshots", "run").code == 0
    assert (len(sets(kept)), files(node), stray(kept)) == (1, [], [])


def test_the_cluster_as_a_destination(node, shop, kept):
    """It is due by itself, and retention removes files from the servers."""
    shop.keeps({"nightly": policy(["cluster", f"file://{kept}"], retention={"keep_last": 1})})
    shop.done(node)
    for names in ("nightly", "nightly"):
        told = shop.run(node, "snapshots", "run", names)
        assert told.code == 0, told.out
        [file] = files(node)
        held = ledger_sets(node)
        assert [name.rpartition("/")[2] for name in held] == ["set.json"]
        assert next(iter(held.values()))["snapshot"]["files"][0]["name"] == file.name
        backdate_ledger(node, 1)
    assert len(sets(kept)) == 1
    assert shop.plan(node).code == 0


def test_files_on_the_servers_stay_while_nobody_knows_whether_they_are_a_set(node, shop, kept):
    shop.keeps({"nightly": policy(["cluster", f"file://{kept}"])})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    [folder] = sets(kept)
    (folder / "begun.json").write_text((folder / "set.json").read_text())

    def fault(_, head):
        listed = head.startswith(b"GET /collections/products/snapshots HTTP")
        return b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n" if listed else None

    with proxied(node.http_port, fault) as proxy:
        assert shop.run(proxy.url, "snapshots", "run").code == 6
    assert (len(files(node)), len(stray(kept))) == (1, 0)
    assert (folder / "begun.json").exists()
    assert shop.run(node, "snapshots", "run").code == 0
    assert (len(files(node)), (folder / "begun.json").exists()) == (1, False)


def test_a_run_ends_where_its_lease_is_taken(node, shop, kept, monkeypatch):
    """Neither the rest of its policy nor the other policies are carried out."""
    monkeypatch.setattr("qdrantctl.adapters.qdrant.lease_lock.PROOF_SECONDS", 0.0)
    shop.keeps({"nightly": policy(kept), "weekly": policy("cluster")})
    shop.done(node)

    def fault(_, head):
        if head.startswith(b"POST /collections/products/snapshots"):
            asked(node, "DELETE", "/collections/_qdrantctl_lease.shop.dev.~snapshots.1")

    with proxied(node.http_port, fault) as proxy:
        told = shop.run(proxy.url, "snapshots", "run")
    assert told.code == 5, told.out + told.err
    assert record(node, "snapshot_sets/shop/dev/weekly") == {}


def test_only_what_is_named_and_only_what_is_covered(node, shop, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    shop.keeps({"a": policy(one, collections=["prod*"]), "b": policy(two, collections=["x*"])})
    shop.done(node)
    assert shop.run(node, "snapshots", "run", "b").code == 0
    assert not one.exists()
    assert shop.run(node, "snapshots", "run", "snapshot_policy/a").code == 0
    assert (len(sets(one)), two.exists()) == (1, False)
    told = shop.run(node, "snapshots", "run", "c")
    assert (told.code, "no policy c of shop/dev" in told.err) == (64, True)


def test_a_destination_that_cannot_be_used(node, shop, kept, tmp_path):
    tmp_path.joinpath("file").write_text("in the way")
    shop.keeps({"nightly": policy([f"file://{kept}", f"file://{tmp_path}/file/x"])})
    shop.done(node)
    told = shop.run(node, "snapshots", "run", "--format", "json")
    assert told.code == 6
    assert "file/x: " in told.document["outcomes"][0]["error"]
    assert told.document["outcomes"][0]["address"] == NIGHTLY
    assert len(sets(kept)) == 1


def test_scores_that_are_no_numbers(node, shop, tmp_path):
    """What is too large to be added up has a score of null: its query is left out."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)}, {"huge": PRODUCTS, "products": PRODUCTS})
    shop.done(node)
    fill(node)
    points = [{"id": 1, "vector": [3e38, 3e38, 0, 0]}, {"id": 2, "vector": [1, 1, 0, 0]}]
    asked(node, "PUT", "/collections/huge/points?wait=true", {"points": points})
    told = shop.run(node, "snapshots", "run")
    assert told.code == 0, told.out + told.err
    about = [json.loads((found / "set.json").read_text()) for found in sets(folder)]
    seen = {each["snapshot"]["collection"]: each for each in about}
    assert {name: len(each["queries"]) for name, each in seen.items()} == {"huge": 0, "products": 1}
    assert len(seen["huge"]["sample"]) == 2
    told = shop.run(node, "snapshots", "verify")
    assert told.code == 0, told.out + told.err


@pytest.mark.parametrize(
    ("answers", "told_of"),
    [
        ({"scroll": {"number": 1}},
         "the answer to POST /collections/a/points/scroll has not the form that Qdrant gives it"),
        ({"scroll": {"id": 1, "vector": [1, 1, 0, 0]}, "query": {"number": 1}},
         "collection/a: qdrantctl failed with an unexpected error"),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_stops_no_other_collection(
    node, shop, tmp_path, answers, told_of
):
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)}, {"a": PRODUCTS, "products": PRODUCTS})
    shop.done(node)

    def fault(_, head):
        for endpoint, point in answers.items():
            if head.startswith(f"POST /collections/a/points/{endpoint}".encode()):
                return answer(200, json.dumps({"result": {"points": [point]}}).encode())
        return None

    with proxied(node.http_port, fault) as proxy:
        told = shop.run(proxy.url, "snapshots", "run", "--format", "json")
    assert told.code == 6, told.err
    [outcome] = told.document["outcomes"]
    assert outcome["error"].startswith("collection/a: ")
    assert told_of in outcome["error"]
    [found] = sets(folder)
    assert "/products/" in str(found)


def test_a_run_while_another_runs(node, shop, kept):
    asked(node, "PUT", "/collections/_qdrantctl_lease.shop.dev.~snapshots.1", {
        "metadata": {"holder": "ada", "expires": "2099-01-01T00:00:00Z",
                     "acquired": "2026-01-01T00:00:00Z", "id": "x"}})  # fmt: skip
    told = shop.run(node, "snapshots", "run")
    assert told.code == 5, told.err
    assert "another job on snapshots of shop/dev is running" in told.err
    assert not kept.exists()
    [words] = re.findall(r"`qdrantctl (lease break \S+)`", told.err)
    shown = shop.run(node, "lease", "show").out
    assert "no apply of shop/dev is running" in shown
    assert words.split()[-1] in shown
    lease = shop.run(node, "lease", "show", "--format", "json").document
    assert (lease["lease"], lease["snapshots"]["holder"]) == (None, "ada")
    told = shop.run(node, "lease", "break", "1", "--auto-approve")
    assert (told.code, words.split()[-1] in told.err) == (1, True), "the number is an apply's"
    assert shop.run(node, *words.split(), "--auto-approve").code == 0
    assert shop.run(node, "snapshots", "run").code == 0


@pytest.mark.parametrize("tenth", range(10))
def test_a_connection_that_is_cut_goes_on_where_it_was(node, shop, kept, tenth):
    seen = []

    def fault(_, head):
        if b".snapshot HTTP" not in head or not head.startswith(b"GET"):
            return None
        ranged = [line for line in head.split(b"\r\n") if line.lower().startswith(b"range")]
        seen.append(ranged)
        return ("part", (tenth + 0.5) / 10) if len(seen) == 1 else None

    with proxied(node.http_port, fault) as proxy:
        told = shop.run(proxy.url, "snapshots", "run")
    assert told.code == 0, told.out
    [folder] = sets(kept)
    [file] = json.loads((folder / "set.json").read_text())["snapshot"]["files"]
    data = (folder / f"{file['peer']}.snapshot").read_bytes()
    assert hashlib.sha256(data).hexdigest() == file["checksum"]
    assert len(seen) == 2
    assert seen[1]
    assert datetime.fromisoformat(json.loads((folder / "set.json").read_text())["taken"])


def test_what_no_server_deletes_any_more_keeps_no_run_busy(node, shop, kept):
    """A run died before it removed the server's copy, and then the collection went."""
    shop.keeps({"nightly": policy(["cluster", f"file://{kept}"])})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    [folder] = sets(kept)
    (folder / "begun.json").write_text((folder / "set.json").read_text())
    ledger_holds(node, {})
    shop.keeps({"nightly": policy(kept)})
    shop.done(node)
    asked(node, "DELETE", "/collections/products")
    told = shop.run(node, "snapshots", "run")
    assert (told.code, told.out) == (0, "Nothing is due.\n"), told.err
    assert (len(files(node)), stray(kept)) == (1, [])
    assert (folder / "begun.json").exists(), "it tells of the file"
    told = shop.run(node, "snapshots", "prune", "--orphan", str(folder.relative_to(kept)))
    assert (told.code, "of a deleted collection" in told.err) == (1, True)
    assert sets(kept) == [folder]


def test_a_run_tells_what_it_took_and_removed(node, shop, kept):
    """In its own words: nothing was added, changed or destroyed, and no apply goes on with it."""
    for _ in range(2):
        assert shop.run(node, "snapshots", "run").code == 0
        backdate(kept, 3)
    told = shop.run(node, "snapshots", "run", "--format", "json")
    report = told.document
    [met] = report["outcomes"]
    [taken], [removed] = met["taken"], met["removed"]
    assert (report["command"], report["format_version"]) == ("snapshots run", "1.1")
    assert (kept / taken["folder"]).exists()
    assert not (kept / removed["folder"]).exists()
    assert taken["size"] == sum(f.stat().st_size for f in (kept / taken["folder"]).iterdir())
    listed = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert [taken[word] for word in ("address", "id", "destination", "size")] == [
        listed[-1][word] for word in ("address", "id", "destination", "size")
    ]
    backdate(kept, 3)
    text = shop.run(node, "snapshots", "run")
    assert re.fullmatch(
        rf"snapshot_policy/nightly: run \(\d+\.\d s\)\n"
        rf"  \+ collection/products@\S+, [\d,]+ bytes, to file://{kept}\n"
        rf"  - collection/products@\S+, [\d,]+ bytes, from file://{kept}\n"
        r"Run complete! 1 taken \([\d,]+ bytes\), 1 removed \([\d,]+ bytes\)\.\n",
        text.out,
    ), text.out
    backdate(kept, 3)
    text = shop.run(node, "snapshots", "run", "--format", "markdown").out
    assert "### Run complete! 1 taken (" in text
    assert f"  + {taken['address']}@" in text
    assert "apply" not in text.lower()


def test_a_run_that_fails_says_how_to_go_on(node, shop, tmp_path):
    (tmp_path / "file").write_text("")
    shop.keeps({"nightly": policy([f"file://{tmp_path}/file/x", f"file://{tmp_path}/good"])})
    shop.done(node)
    fill(node)
    told = shop.run(node, "snapshots", "run")
    assert told.code == 6
    head, taken, *rest = told.out.splitlines()
    assert head.startswith("snapshot_policy/nightly: run failed: ")
    assert taken.startswith("  + collection/products@")
    assert rest[0].startswith("Run stopped part-way! 1 taken (")
    assert rest[0].endswith(", 0 removed, 1 policy failed.")
    assert rest[1:] == ["The next qdrantctl snapshots run finishes the rest."]


def test_a_dry_run_where_nothing_is_due_says_when_something_is(node, shop, kept):
    assert "Plan: 1 to run." in shop.run(node, "snapshots", "run", "--dry-run").out
    assert shop.run(node, "snapshots", "run").code == 0
    for form in ("text", "markdown"):
        told = shop.run(node, "snapshots", "run", "--dry-run", "--format", form)
        assert told.code == 0
        assert re.fullmatch(
            r"Nothing is due\.\n"
            r"snapshot_policy/nightly: nothing is due before \d{4}-\d\d-\d\d 03:00 UTC\n",
            told.out,
        ), told.out
    for form in ("json", "markdown"):
        assert "manifests." not in shop.run(node, "snapshots", "run", "--format", form).out
