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


KEY_AT_HOME = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec: {vectors: {size: 4, distance: Dot}}
---
apiVersion: qdrantctl/v1
kind: AccessKey
metadata: {name: analytics}
spec: {access: [{collection: products, access: r}], ttl: 90d}
"""


@pytest.mark.server
def test_keys_can_be_tried_on_the_embedded_server(project: Path) -> None:
    write_project(project, "{dev: {url: embedded}}")
    (project / "manifests").mkdir()
    (project / "manifests" / "all.yaml").write_text(KEY_AT_HOME)
    up = run_cli("dev", "up", "--api-key", "--jwt", project=project)
    assert "access   with an API key and tokens\n" in up.out
    running = devserver.find_server(project)
    assert running is not None
    apply = run_cli("apply", "--auto-approve", project=project)
    issued = run_cli("keys", "issue", "analytics", project=project)
    checked = run_cli("keys", "check", project=project, stdin=issued.out)
    assert [result.code for result in (up, apply, issued, checked)] == [0, 0, 0, 0]
    key = running.access.api_key
    for result in (up, apply, issued, checked, run_cli("dev", "status", project=project)):
        assert key not in result.out + result.err
    printed = run_cli("dev", "env", project=project)
    assert printed.out == f"QDRANT_URL={running.url}\nQDRANT_API_KEY={key}\n"
    with_key = dict(line.split("=", 1) for line in printed.out.splitlines())
    drift = ["drift", "-f", str(project / "manifests"), "--url", running.url]
    assert run_cli(*drift, cwd=project.parent, env=with_key).code == 0
    run_cli("dev", "down", project=project)
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 0  # starts it as before
    run_cli("dev", "down", project=project)
    assert run_cli("dev", "env", project=project).code == 1


def test_the_version_comes_from_the_embedded_environments(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = project / "qdrant"
    missing.write_text("#!/bin/sh\necho qdrant 1.0.0\n")
    missing.chmod(0o755)
    monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(missing))
    monkeypatch.setenv("PATH", str(project))
    write_project(
        project,
        "{dev: {url: embedded, version: 9.9.9}, next: {url: embedded, version: 9.9.10}, "
        "prod: {url: 'https://q.example.com'}}",
    )
    for words, code, text in (
        (["up"], 64, "dev 9.9.9, next 9.9.10"),
        (["up", "-e", "next"], 1, "there is no Qdrant 9.9.10 on this machine"),
        (["up", "-e", "prod"], 64, "environment prod is not embedded"),
        (["up", "--jwt", "--no-api-key"], 64, "--jwt needs an API key"),
    ):
        result = run_cli("dev", *words, project=project)
        assert (result.code, text in result.err) == (code, True), result.err
    assert "no Qdrant 9.9.9 on" in run_cli("plan", "-e", "dev", project=project).err


def write_project(project: Path, environments: str) -> None:
    (project / "qdrantctl.yaml").write_text(
        "apiVersion: qdrantctl/v1\nkind: Project\nmetadata: {name: shop}\n"
        f"spec:\n  environments: {environments}\n"
    )


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
