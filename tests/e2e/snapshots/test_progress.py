"""What a terminal shows while files of snapshots are transferred, and what a pipe gets."""

from __future__ import annotations

import subprocess
import sys

from tests.support.events import details_of, read_events
from tests.support.terminal import on_terminal


def test_a_restore_shows_bars_on_a_terminal_and_nothing_in_a_pipe(node, shop, kept, monkeypatch):
    monkeypatch.setenv("FLOWS_URL", node.url)
    monkeypatch.setenv("TERM", "xterm-256color")
    words = ("snapshots", "restore", "collection/products", "--from", f"file://{kept}",
             "--auto-approve", "--as")  # fmt: skip
    code, shown = on_terminal(shop.folder, *words, "first")
    assert code == 0, shown
    assert "collection/first, node " in shown
    assert "B of " in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("collection/first, node "), "bars are gone"
    done = subprocess.run(
        [sys.executable, "-m", "qdrantctl", *words, "second"],
        cwd=shop.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "node" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_a_run_shows_bars_on_a_terminal(node, shop, kept, monkeypatch):
    (kept / "shop").rename(kept / "elsewhere")  # so that a set is due again
    monkeypatch.setenv("FLOWS_URL", node.url)
    monkeypatch.setenv("TERM", "xterm-256color")
    code, shown = on_terminal(shop.folder, "snapshots", "run")
    assert code == 0, shown
    assert "collection/products, node " in shown
    assert "taken" in shown or "nightly" in shown


def test_a_run_and_a_restore_tell_their_transfers_as_events(node, shop, kept):
    (kept / "shop").rename(kept / "elsewhere")  # so that a set is due again
    events, report = read_events(shop.run(node, "snapshots", "run", "--format", "jsonl"))
    assert {(each["unit"], each["done"] == each["total"]) for each in last_amounts(events)} == {
        ("bytes", True)
    }
    assert any("taking a snapshot" in text for text in details_of("activity", events))
    assert details_of("outcome", events) == report["outcomes"]
    words = ("snapshots", "restore", "collection/products", "--from", f"file://{kept}",
             "--as", "second", "--auto-approve", "--format", "jsonl")  # fmt: skip
    events, report = read_events(shop.run(node, *words))
    assert {each["task"].partition(",")[0] for each in last_amounts(events)} >= {
        "collection/second"
    }
    assert report["outcomes"][0]["status"] == "done"


def last_amounts(events):
    """The last amount of each task."""
    return {each["task"]: each for each in details_of("progress", events)}.values()
