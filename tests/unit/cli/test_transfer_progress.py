"""Bars on a terminal, lines with -v, and nothing where stderr goes elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
CODE = """
import sys, time
from qdrantctl.cli.progress import Progress
from qdrantctl.model.progress import count_bytes, show_transfers
progress = Progress(int(sys.argv[1]), sys.argv[2] == "no-color")
progress.report("reading the plan")
sizes = {"collection/products, node 1": 4_000_000, "collection/products, node 2": 2_000_000}
with show_transfers(sizes, progress.tasks):
    for task, size in sizes.items():
        for _ in count_bytes([b"x" * (size // 4)] * 4, task, size, progress.tasks):
            progress.report("told between two chunks")
            time.sleep(0.12)
progress.report("taking the next snapshot")
progress.clear()
print("rich" in sys.modules)
"""


def shown(*words: str, terminal: bool, **environ: str) -> tuple[str, str]:
    """What a process with these transfers writes to stderr, and its stdout."""
    plain = {k: v for k, v in os.environ.items() if "COLOR" not in k}
    environment = plain | {"TERM": "xterm-256color", "COLUMNS": "120"} | environ
    command = [sys.executable, "-c", CODE, *words]
    if not terminal:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        return done.stderr, done.stdout
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    data = b""
    while part := _read(ours):
        data += part
    stdout = process.communicate(timeout=30)[0]
    os.close(ours)
    assert process.returncode == 0
    return data.decode(), stdout.decode()


def _read(number: int) -> bytes:
    try:
        return os.read(number, 65536)
    except OSError:  # the other end is closed
        return b""


def test_a_terminal_shows_one_bar_a_node():
    stderr, stdout = shown("0", "color", terminal=True)
    assert stdout == "True\n"
    for words in ("collection/products, node 1", "collection/products, node 2", "4.0 MB of 4.0 MB",
                  "of 2.0 MB", "MB/s", "0:00:0", "\x1b[38;5;"):  # fmt: skip
        assert words in stderr
    assert "told between" not in stderr, "a line of text would break the bars"
    assert "reading the plan …" in stderr
    assert stderr.rindex("taking the next snapshot …") > stderr.rindex("node 2")
    assert stderr.endswith("\r\x1b[2K")
    assert "\x1b[?25h" in stderr[stderr.rindex("\x1b[?25l") :], "the cursor is visible again"


@pytest.mark.parametrize(("words", "environ"), [("no-color", {}), ("color", {"NO_COLOR": "1"})])
def test_bars_without_colour(words, environ):
    stderr, _ = shown("0", words, terminal=True, **environ)
    assert "of 4.0 MB" in stderr
    assert "\x1b[3" not in stderr


def test_a_dumb_terminal_has_no_bars():
    stderr, stdout = shown("0", "color", terminal=True, TERM="dumb")
    assert "MB" not in stderr
    assert stdout == "False\n"


def test_a_pipe_gets_nothing():
    for environ in ({}, {"FORCE_COLOR": "1"}):
        assert shown("0", "color", terminal=False, **environ) == ("", "False\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_verbose_gets_lines(terminal):
    stderr, stdout = shown("1", "color", terminal=terminal)
    lines = stderr.splitlines()
    assert "collection/products, node 1: 0 of 4,000,000 bytes …" in lines
    assert "collection/products, node 1: 4,000,000 of 4,000,000 bytes …" in lines
    assert stdout == "False\n"


def test_a_terminal_that_knows_ascii_alone():
    stderr, _ = shown("0", "color", terminal=True, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert "of 4.0 MB" in stderr
