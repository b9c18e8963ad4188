"""How far an apply is: counted on a terminal, and every ten seconds in a pipeline."""

import pytest

from qdrantctl.cli import transfer_progress
from qdrantctl.cli.transfer_progress import PipelineLines
from tests.support.cli import run_cli
from tests.support.manifests import write_collections
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
    lines = PipelineLines()
    for done in range(31):
        lines.show_amount("apply", done, 30, "changes")
        clock[0] += 1
    assert capsys.readouterr().err.splitlines() == [
        "apply: 10/30 changes …",
        "apply: 20/30 changes …",
        "apply: 30/30 changes …",
    ]


def test_a_task_that_begins_again_waits_again(clock, capsys):
    lines = PipelineLines()
    lines.show_amount("copy", 1, 9, "points")
    lines.end_task("copy")
    clock[0] += 11
    lines.show_amount("copy", 0, 9, "points")
    assert capsys.readouterr().err == ""


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
