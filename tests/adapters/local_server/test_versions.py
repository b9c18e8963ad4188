"""The embedded server in a stated version: a program that has it, or Qdrant's image of it.

No engine of containers runs where the tests do. A program that stands in for docker's client
records its command lines, and runs the real server with the settings and folders that it got.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qdrantctl.adapters.local_server import binary, program
from qdrantctl.adapters.local_server import server as devserver
from qdrantctl.adapters.local_server.container import ContainerImage, container_name
from qdrantctl.model.errors import ServerError

DOCKER = """#!{python}
import csv, json, os, signal, sys
home, server, words = {home!r}, {server!r}, sys.argv[1:]
open(home + "/calls", "a").write(json.dumps(words) + chr(10))
image, pid = home + "/image", home + "/pid"
if words[:2] == ["image", "inspect"] and not os.path.exists(image):
    sys.exit("Error response from daemon: No such image: " + words[-1])
if words[0] == "pull":
    open(image, "w").close()
if words[0] in ("stop", "rm") and os.path.exists(pid):
    os.kill(int(open(pid).read()), signal.SIGTERM)
    os.unlink(pid)
if words[0] == "run":
    mounts = [next(csv.reader([w])) for w in words if w.startswith("type=bind")]
    folders = [mount[1].removeprefix("source=") for mount in mounts]
    names = [words[i + 1] for i, w in enumerate(words) if w == "--env"]
    given = {{name: os.environ[name] for name in names}} | {{
        "QDRANT__SERVICE__HOST": "127.0.0.1",
        "QDRANT__STORAGE__STORAGE_PATH": folders[0],
        "QDRANT__STORAGE__SNAPSHOTS_PATH": folders[1],
    }}
    open(pid, "w").write(str(os.getpid()))
    os.execve(server, [server, *words[words.index("--uri"):]], given)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project's folder; its server ends with the test."""
    root = tmp_path / 'pro,"ject'
    root.mkdir()
    yield root
    devserver.end_server(root)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on PATH; there is no other program, and none in the cache."""
    monkeypatch.delenv("QDRANTCTL_QDRANT_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def real_server() -> tuple[Path, str]:
    """The program that the tests run, and its version; asked for before `on_path` hides it."""
    found = binary.find_binary(download=True)
    return found, program._ask_version(found).removeprefix("qdrant ")


def script(file: Path, text: str) -> Path:
    file.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def docker(on_path: Path, home: Path, server: Path) -> Callable[[], list[list[str]]]:
    """Put the stand-in on PATH; gives what it was called with."""
    script(
        on_path / "docker",
        DOCKER.format(python=sys.executable, home=str(home), server=str(server)),
    )
    return lambda: [json.loads(line) for line in (home / "calls").read_text().splitlines()]


class TestProgram:
    def test_the_named_one_comes_first_if_it_has_the_version(
        self, on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = script(on_path / "qdrant", "echo qdrant 1.17.1")
        new = script(tmp_path / "mine", "echo qdrant 1.19.0")
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(new))
        assert program.find_server_program("1.19.0", download=False) == new
        assert program.find_server_program("1.17.1", download=False) == old
        assert program.find_server_program("", download=False) == new

    def test_without_one_it_says_what_was_looked_for(
        self, on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script(on_path / "qdrant", "echo cannot say >&2; exit 1")
        named = script(tmp_path / "mine", "echo qdrant 1.18.3")
        script(on_path / "docker", "echo Cannot connect >&2; exit 1")
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(named))
        with pytest.raises(ServerError, match=r"no Qdrant 1\.19\.0") as told:
            program.find_server_program("1.19.0", download=False)
        assert told.value.why.splitlines() == [
            f"QDRANTCTL_QDRANT_BIN is {named}, which answers: qdrant 1.18.3",
            f"  qdrant on PATH is {on_path / 'qdrant'}, which answers: cannot say",
            f"  the pinned package is {binary.PACKAGE}",
            "  docker, asked for qdrant/qdrant:v1.19.0, answers: Cannot connect",
            "  there is no podman on PATH",
        ]
        assert "dev up pulls qdrant/qdrant:v1.19.0" in told.value.hint

    def test_the_pinned_package_has_its_version(self, on_path: Path) -> None:
        with pytest.raises(ServerError) as told:
            program.find_server_program(binary.VERSION, download=False)
        assert "there is no qdrant program on this machine" in told.value.why
        assert "QDRANTCTL_QDRANT_BIN is not set" in told.value.why


class TestImage:
    def test_only_dev_up_pulls(self, on_path: Path, tmp_path: Path) -> None:
        calls = docker(on_path, tmp_path, Path("/none"))
        with pytest.raises(ServerError, match=r"no Qdrant 1\.19\.0") as told:
            program.find_server_program("1.19.0", download=False)
        assert "answers: Error response from daemon: No such image" in told.value.why
        image = "qdrant/qdrant:v1.19.0"
        assert calls() == [["image", "inspect", image]]
        texts: list[str] = []
        found = program.find_server_program("1.19.0", download=True, report_progress=texts.append)
        assert found == ContainerImage(str(on_path / "docker"), image)
        assert texts == ["pulling qdrant/qdrant:v1.19.0 with docker"]
        assert calls()[-1] == ["pull", image]
        assert program.find_server_program("1.19.0", download=False) == found

    @pytest.mark.server
    def test_runs_until_dev_down(
        self,
        real_server: tuple[Path, str],
        on_path: Path,
        tmp_path: Path,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(program, "VERSION", "0")  # else the pinned package comes first
        server, version = real_server
        calls = docker(on_path, tmp_path, server)
        access = devserver.AccessChange(takes_tokens=True)
        running = devserver.ensure_server(project, version=version, download=True, access=access)
        assert running.version == version
        assert devserver.ensure_server(project, version=version) == running
        folder = project / ".qdrantctl"
        [run] = [call for call in calls() if call[0] == "run"]
        assert run[:5] == ["run", "--rm", "--pull", "never", "--name"]
        http, grpc, _ = running.ports
        published = [run[i + 1] for i, word in enumerate(run) if word == "--publish"]
        assert published == [f"127.0.0.1:{port}:{port}" for port in (http, grpc)]
        quoted = str(folder).replace('"', '""')
        mounted = [run[i + 1] for i, word in enumerate(run) if word == "--mount"]
        assert mounted == [
            f'type=bind,"source={quoted}/{name}",target=/qdrant/{name}'
            for name in ("storage", "snapshots")
        ]
        assert f"{os.getuid()}:{os.getgid()}" == run[run.index("--user") + 1]
        assert running.access.api_key not in " ".join(run)
        assert devserver.end_server(project)
        assert ["stop", "-t", "20", container_name(folder)] in calls()
        assert devserver.find_server(project) is None

    def test_one_whose_client_was_killed_is_removed(
        self, on_path: Path, tmp_path: Path, project: Path
    ) -> None:
        calls = docker(on_path, tmp_path, Path("/none"))
        folder = project / ".qdrantctl"
        folder.mkdir()
        note = {"pid": 1, "began": "", "http_port": 0, "grpc_port": 0, "p2p_port": 0}
        note |= {"engine": str(on_path / "docker"), "container": container_name(folder)}
        (folder / "server.json").write_text(json.dumps(note))
        copy = shutil.copytree(project, tmp_path / "copy")
        assert not devserver.end_server(copy)  # the container is not that of the copy
        assert not (tmp_path / "calls").exists()
        assert not devserver.end_server(project)
        assert calls()[-1] == ["rm", "--force", container_name(folder)]


@pytest.mark.server
class TestRunningServer:
    def test_another_version_than_the_stated_one_is_an_error(self, project: Path) -> None:
        running = devserver.ensure_server(project, download=True)
        with pytest.raises(ServerError, match=r"states version: 9\.9\.9") as told:
            devserver.ensure_server(project, version="9.9.9")
        assert "dev down" in told.value.hint
        assert devserver.ensure_server(project, version=running.version) == running

    def test_the_key_is_kept_for_later_starts(self, project: Path) -> None:
        change = devserver.AccessChange
        with_key = devserver.ensure_server(project, download=True, access=change(api_key=True))
        assert with_key.access.api_key not in repr(with_key)
        file = project / ".qdrantctl" / "access.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert devserver.ensure_server(project) == with_key == devserver.find_server(project)
        with pytest.raises(ServerError, match=r"runs already, with an API key$"):
            devserver.ensure_server(project, access=change(takes_tokens=True))
        devserver.end_server(project)
        tokens = devserver.ensure_server(project, access=change(takes_tokens=True))
        assert tokens.access.takes_tokens
        assert tokens.access.api_key == with_key.access.api_key
        devserver.end_server(project)
        assert not devserver.ensure_server(project, access=change(api_key=False)).access.api_key

    @pytest.mark.parametrize("text", ["{", '{"key": 1}'])
    def test_a_key_that_cannot_be_read_is_not_taken_for_none(
        self, project: Path, text: str
    ) -> None:
        (project / ".qdrantctl").mkdir()
        file = project / ".qdrantctl" / "access.json"
        file.write_text(text)
        with pytest.raises(ServerError, match="API key cannot be read"):
            devserver.ensure_server(project)
        file.unlink()
