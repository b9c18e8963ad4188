"""What stands at a destination is not trusted as written, and stops nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import asked
from tests.support.proxy import proxied
from tests.support.snapshot_policies import backdate, policy, sets
from tests.support.snapshots import FROM, contents, fill

COMMANDS = ("plan", "drift", "snapshots list", "snapshots run", "snapshots prune",
            "snapshots verify", "apply --auto-approve")  # fmt: skip
BEYOND = "9999-12-31T23:59:59-12:00"
ODD: dict[str, dict[str, Any]] = {
    "a year that no zone can tell": {"taken": "0001-01-01T00:00:00+14:00"},
    "a time beyond all zones": {"scheduled": BEYOND},
    "a later format": {"format": 2},
    "an id that leads upwards": {"id": "../../../../outside"},
    "an owner that leads upwards": {"owner": "../.."},
    "a node that leads upwards": {"snapshot": {"files": [{"peer": "../../../x"}]}},
    "a file that leads upwards": {"snapshot": {"files": [{"name": "../storage"}]}},
    "a number of too many digits": {"snapshot": {"files": [{"size": 10**400}]}},
    "a negative size": {"snapshot": {"files": [{"size": -1}]}},
    "no files": {"snapshot": {"files": []}},
    "a shard key without shards": {"snapshot": {"keys": [["a", []]]}},
    "a version of no server": {"snapshot": {"server": "newest"}},
    "a collection of dots": {"snapshot": {"collection": "..."}},
    "a sample of no points": {"sample": {"{": "x"}},
    "another policy": {"policy": "weekly"},
    "settings of no collection": {"snapshot": {"manifest": {"vectors": {"size": "many"}}}},
    "no identity of a cluster": {"cluster": "../other"},
}


def merged(document: Any, change: Any) -> Any:
    """The document with a part of it changed."""
    if isinstance(document, dict) and isinstance(change, dict):
        return {**document, **{k: merged(document.get(k), v) for k, v in change.items()}}
    if isinstance(document, list) and isinstance(change, list) and change and document:
        return [merged(one, other) for one, other in zip(document, change, strict=False)]
    return change


@pytest.fixture
def odd_sets(kept):
    """Beside a good set one of each kind; what JSON is none, and what no user may read."""
    [good] = sets(kept)
    about = json.loads((good / "set.json").read_text())
    for number, change in enumerate(ODD.values()):
        folder = good.parent / f"odd{number}"
        folder.mkdir()
        for name in ("set.json", "begun.json"):
            text = json.dumps(merged({**about, "id": folder.name}, change))
            (folder / name).write_text(text)
    texts = {"deep": "[" * 100_000, "nan": '{"format": NaN}', "text": "\x00", "list": "[]"}
    for name, text in texts.items():
        (good.parent / name).mkdir()
        (good.parent / name / "set.json").write_text(text)
    shutil.copytree(good, good.parent / "moved")
    (good.parent / "linked").mkdir()
    (good.parent / "linked" / "set.json").symlink_to("/etc/hostname")
    (good.parent / "looped").mkdir()
    (good.parent / "looped" / "set.json").symlink_to("set.json")
    unspeakable = os.fsencode(good.parent) + b"/\xff\x1b[31m"
    odd_name = Path(os.fsdecode(unspeakable))
    odd_name.mkdir()
    (odd_name / "set.json").write_text("{}")
    (good / "verified.json").write_text(json.dumps({"when": BEYOND, "good": False, "server": "x"}))
    return kept


def test_odd_sets_are_listed_and_stop_nothing(node, shop, odd_sets, tmp_path):
    before = {path for path in tmp_path.rglob("*") if odd_sets not in path.parents}
    [good] = [found for found in sets(odd_sets) if found.name[:2] == "20"]
    for command in COMMANDS:
        told = shop.run(node, *command.split())
        assert (command, told.code) == (command, 0), told.out + told.err
        assert "bug in qdrantctl" not in told.out + told.err
        assert "\x1b[31m" not in told.out + told.err
    rows = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    states = {row["folder"].split("/")[-2]: row["state"] for row in rows}
    assert states.pop(good.name) == "complete"
    assert set(states.values()) == {"orphan"}
    assert len(states) == len(ODD) + 6
    reasons = "\n".join(row["problem"] for row in rows)
    for word in ("the year 1 is not one", "format: ", "does not stand there", "nested too deeply"):
        assert word in reasons
    assert reasons.splitlines()[0] in shop.run(node, "snapshots", "list").out
    told = shop.run(node, "snapshots", "restore", FROM, "--from", f"file://{odd_sets}",
                    "--as", "again", "--auto-approve")  # fmt: skip
    assert told.code == 0, told.err
    assert contents(node, "again") == contents(node, "products")
    after = {path for path in tmp_path.rglob("*") if odd_sets not in path.parents}
    assert {path for path in after - before if "shop/state" not in str(path)} == set()


def test_a_set_marked_by_others_for_removal_stays(node, shop, kept):
    [good] = sets(kept)
    (good / "pruned.json").write_text("{}")
    assert shop.run(node, "snapshots", "prune").code == 0
    assert len(sets(kept)) == 1
    [row] = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    assert (row["state"], "pruned.json" in row["problem"]) == ("orphan", True)


@pytest.mark.parametrize("ahead", [timedelta(days=400), -timedelta(days=400)])
def test_one_clock_removes_nothing(node, shop, kept, ahead):
    """The server's says another time than this machine's."""
    backdate(kept, 1)
    assert shop.run(node, "snapshots", "run").code == 0
    shop.keeps({"nightly": policy(kept, retention={"keep_last": 1, "max_age": "30d"})})
    shop.done(node)
    before = sets(kept)
    assert len(before) == 2
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True).encode()
    with proxied(node.http_port, lambda *_: None) as proxy:
        proxy.change_answer = lambda answer: re.sub(rb"(?m)^date: .*GMT", b"date: " + date, answer)
        told = shop.run(proxy.url, "snapshots", "prune")
        assert (told.code, "nothing is removed from file://" in told.out) == (0, True), told.err
        told = shop.run(proxy.url, "snapshots", "run")
        said = "nothing is removed from file://" in told.out
        # Seen from a year before, no rule counts what comes later, so it stays anyway.
        assert (told.code, said) == (0, ahead > timedelta(0)), told.err
        assert shop.run(proxy.url, "snapshots", "run").code == 0
        found = shop.plan(proxy.url).document["violations"]
        assert any("nothing is removed from file://" in v["message"] for v in found) == said
    assert set(before) <= set(sets(kept))


@pytest.mark.parametrize("scratch", ["cluster", "embedded"])
def test_a_sound_backup_under_writes_is_not_condemned(node, shop, kept, scratch):
    """Points are deleted and come back, so counts and samples are the same before and after."""
    fill(node, count=300)
    stopped, first = threading.Event(), threading.Event()
    ids = list(range(1, 301))
    points = asked(node, "POST", "/collections/products/points",
                   {"ids": ids, "with_vector": True, "with_payload": True})  # fmt: skip
    batch = [{"id": p["id"], "vector": p["vector"], "payload": p["payload"]} for p in points]

    def churn():
        while not stopped.is_set():
            asked(node, "POST", "/collections/products/points/delete?wait=true", {"points": ids})
            asked(node, "PUT", "/collections/products/points?wait=true", {"points": batch})
            first.set()

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        first.wait(20)
        backdate(kept, 1)
        told = shop.run(node, "snapshots", "run")
    finally:
        stopped.set()
        writer.join()
    assert told.code == 0, told.out + told.err
    manifests = [json.loads((found / "set.json").read_text()) for found in sets(kept)]
    assert sorted(about["snapshot"]["quiet"] for about in manifests) == [False, True]
    told = shop.run(node, "snapshots", "verify", "--scratch", scratch)
    assert told.code == 0, told.out + told.err
