"""How far an apply is: counted on a terminal, and every ten seconds in a pipeline."""

import time

import pytest

from qdrantctl.cli import progress, transfer_progress
from qdrantctl.cli.transfer_progress import PIPELINE_SECONDS, MeasuredTasks, ProgressLines
from tests.support.cli import run_cli
from tests.support.manifests import write_collections
from tests.support.proxy import proxied
from tests.support.terminal import on_terminal


@pytest.fixture
def folder(tmp_path):
    return write_collections(tmp_path, "books", "films", "songs")


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(transfer_progress.time, "monotonic", lambda: now[0])
    return now


def test_a_pipeline_gets_a_line_every_ten_seconds(clock, capsys):
    lines = ProgressLines(PIPELINE_SECONDS)
    for done in range(31):
        lines.show_amount("apply", done, 30, "changes")
        clock[0] += 1
    assert capsys.readouterr().err.splitlines() == [
        "apply: 10/30 changes, 20 s left …",
        "apply: 20/30 changes, 10 s left …",
        "apply: 30/30 changes …",
    ]


def test_the_lines_go_on_while_nothing_ends(clock, capsys):
    """A thread calls `print_due`; of one long change or wait the flow reports nothing."""
    lines = ProgressLines(PIPELINE_SECONDS)
    lines.show_activity("collection/a: waiting up to 600 s for its shards")
    for second in range(90):
        if second == 25:
            lines.show_amount("apply", 1, 3, "changes")
        clock[0] += 1
        lines.print_due()
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        "collection/a: waiting up to 600 s for its shards … 10 s",
        "collection/a: waiting up to 600 s for its shards … 20 s",
    ]
    assert told[2:] == ["apply: 1/3 changes …"] * 6
    lines.end_task("apply")
    lines.clear()
    clock[0] += 60
    lines.print_due()
    assert capsys.readouterr().err == ""


def test_a_long_wait_in_a_pipeline_is_told_by_the_program(tmp_path, monkeypatch):
    """The thread of a command whose server takes a while to answer."""
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(progress, "PIPELINE_SECONDS", 0.2)
    with proxied(1, lambda _number, _head: time.sleep(1)) as slow:
        result = run_cli("plan", "-f", write_collections(tmp_path, "a"), "--url", slow.url)
    assert result.code == 1
    assert " … 0 s\n" in result.err


def test_a_task_that_begins_again_waits_again(clock, capsys):
    lines = ProgressLines(PIPELINE_SECONDS)
    lines.show_amount("copy", 1, 9, "points")
    lines.end_task("copy")
    clock[0] += 11
    lines.show_amount("copy", 0, 9, "points")
    assert capsys.readouterr().err == ""


def test_amounts_are_told_at_the_start_at_intervals_and_once_at_the_end(clock):
    told = []
    tasks = MeasuredTasks(told.append)
    for done in (0, 1, 2, 3, 4, 5, 6, 9, 9, 9):
        tasks.show_amount("copy", done, 9, "points")
        clock[0] += 1
    assert [(each["done"], each["rate"], each["remaining_seconds"]) for each in told] == [
        (0, 0.0, None), (5, 1.0, 4), (9, 1.3, 0),
    ]  # fmt: skip


def test_a_terminal_shows_how_many_changes_have_ended(empty_qdrant, folder, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    words = ("apply", "-f", ".", "--url", empty_qdrant.url, "--auto-approve", "--parallelism", "1")
    code, shown = on_terminal(folder, *words)
    assert code == 0, shown
    for number in (1, 2):
        assert f"{number}/3 changes" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("/3 changes"), "the bar is gone"


def test_a_short_apply_in_a_pipeline_counts_nothing(empty_qdrant, folder):
    result = run_cli("apply", "-f", folder, "--url", empty_qdrant.url, "--auto-approve")
    assert result.code == 0
    assert "changes …" not in result.err


def test_json_lines_of_progress_count_the_changes(empty_qdrant, folder):
    words = ("-f", folder, "--url", empty_qdrant.url, "--auto-approve", "--progress", "json")
    result = run_cli("apply", *words)
    assert '"done": 3, "total": 3, "unit": "changes"' in result.err
