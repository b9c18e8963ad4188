"""`dev`, `completion` and `version` as words on a command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrantctl import __version__
from qdrantctl.adapters.local_server import server as devserver
from tests.support.cli import run_cli


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "qdrantctl.yaml").touch()
    (tmp_path / "deep" / "down").mkdir(parents=True)
    yield tmp_path
    devserver.end_server(tmp_path)


@pytest.mark.server
def test_up_status_down(project: Path) -> None:
    inside = ["-C", str(project / "deep" / "down")]
    result = run_cli("dev", "status", *inside)
    assert result.code == 1
    assert result.out == "not running\n"

    told = run_cli("dev", "up", *inside)
    assert told.code == 0
    running = devserver.find_server(project)
    assert running is not None
    for words in (running.url, str(running.pid), running.version, f"{project}/.qdrantctl/storage"):
        assert words in told.out
    assert "starting" in told.err

    result = run_cli("dev", "status", project=project)
    assert result.code == 0
    assert result.out == told.out
    result = run_cli("dev", "down", *inside)
    assert result.code == 0
    assert result.out == "stopped\n"
    result = run_cli("dev", "down", *inside)
    assert result.code == 0
    assert result.out == "was not running\n"


def test_up_without_a_program_that_works(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(project / "missing"))
    assert run_cli("dev", "up", project=project).code == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "QDRANTCTL_QDRANT_BIN names" in told.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    result = run_cli("completion", shell)
    assert result.code == 0
    assert f"_QDRANTCTL_COMPLETE={shell}_complete" in result.out


def test_completion_completes() -> None:
    asked = {
        "_QDRANTCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "qdrantctl dev d",
        "COMP_CWORD": "2",
    }
    words = [sys.executable, "-m", "qdrantctl"]
    done = subprocess.run(words, env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout == "plain,down\n"


def test_completion_of_a_shell_that_is_not_known() -> None:
    assert run_cli("completion", "csh").code == 64


def test_version() -> None:
    result = run_cli("version")
    assert result.code == 0
    assert result.out == f"qdrantctl {__version__}\n"
    result = run_cli("version", "-v")
    assert result.code == 0
    assert f"python {sys.version_info.major}." in result.out
