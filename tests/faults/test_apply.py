"""Every request of a rich apply fails once, in every way; the next apply finishes, nothing is lost.

The whole grid is run with `QDRANTCTL_ENDURANCE=full`; otherwise each request meets one of the
ways in turn. With ten changes at once the number of a request is that of its arrival, so it is
another request in each run, and the last ones may never come.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from tests.faults.apply_project import AFTER, BEFORE, FLAGS, check, prepare, write
from tests.support.cli import run_cli
from tests.support.proxy import Fault, answer, proxied

FULL = os.environ.get("QDRANTCTL_ENDURANCE") == "full"
WAYS: dict[str, bytes | str] = {
    "refused before it acts": "drop",
    "cut after it acted": "cut",
    "half an answer": "half",
    "a long stall": "stall",
    "500": answer(500, b'{"status":{"error":"injected"}}'),
    "429": answer(429, b'{"status":{"error":"injected"}}', "retry-after: 0"),
}
STEP = 1 if FULL else 14
PATIENCE = 2.0
"""Seconds that a request may take here, below those of a stall."""
TEN = ("--parallelism", "10")
SETTINGS = [
    pytest.param(("one node", ("--parallelism", "1"), 1), id="one by one"),
    pytest.param(("one node", TEN, 1 if FULL else 4), id="ten at once"),
    *[
        pytest.param(
            ("three nodes", TEN, 1), id="ten at once, three nodes", marks=pytest.mark.cluster
        )
    ]
    * FULL,
]
"""Nodes, flags of the disturbed apply, and which of the disturbances are tried: every N-th."""


pytestmark = pytest.mark.server  # which of its fixtures is used, a setting decides


@pytest.fixture(params=SETTINGS[:1])
def setting(request):
    return request.param


@pytest.fixture
def project(tmp_path, monkeypatch, request, setting):
    """`apply(url)` on a cluster where BEFORE was applied and others have been busy."""
    kind, parallelism, sparser = setting
    if kind == "one node":
        node = request.getfixturevalue("empty_qdrant")
    else:
        node = request.getfixturevalue("three_nodes")[0]
    monkeypatch.setattr("qdrantctl.adapters.qdrant.lease_lock.PROOF_SECONDS", 0.1)

    def apply(url: str, *flags: str) -> int:
        connect = Endpoint if url == node.url else partial(Endpoint, timeout=PATIENCE)
        monkeypatch.setattr("qdrantctl.adapters.project.connection.Endpoint", connect)
        monkeypatch.setenv("ENDURANCE_URL", url)
        return run_cli("apply", *(flags or (*FLAGS, *parallelism)), project=tmp_path).code

    def fresh() -> None:
        node.wipe()
        write(tmp_path, BEFORE)
        assert apply(node.url, "--auto-approve") == 0
        prepare(node)
        write(tmp_path, AFTER)

    def broken() -> None:
        """An apply that was killed has left its lease; here nobody waits until it expires."""
        for number in (1, 2):
            path = f"/collections/_qdrantctl_lease.shop.dev.{number}/exists"
            if node.request("GET", path)[1]["result"]["exists"]:
                words = ["lease", "break", str(number), "-C", str(tmp_path), "--auto-approve"]
                monkeypatch.setenv("ENDURANCE_URL", node.url)
                assert run_cli(*words).code == 0

    def finished() -> None:
        broken()
        assert apply(node.url) == 0
        assert run_cli("plan", "--detailed-exitcode", project=tmp_path).code == 0
        check(node)

    return SimpleNamespace(
        apply=apply,
        fresh=fresh,
        finished=finished,
        node=node,
        folder=tmp_path,
        flags=(*FLAGS, *parallelism),
        sparser=sparser,
    )


def requests_of_apply(project) -> int:
    """How many requests an undisturbed apply makes."""
    project.fresh()
    with proxied(project.node.http_port, lambda *_: None) as proxy:
        assert project.apply(proxy.url) == 0
    check(project.node)
    return len(proxy.requests)


def once(number: int, way: bytes | str) -> Fault:
    return lambda count, _: way if count == number else None


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
def test_every_request_may_fail(project, capsys):
    count = requests_of_apply(project)
    assert count > 40
    tried, met, ways = 0, 0, list(WAYS)
    for number in range(1, count + 1, STEP * project.sparser):
        for way in ways if FULL else [ways[(number // STEP) % len(ways)]]:
            project.fresh()
            capsys.readouterr()
            with proxied(project.node.http_port, once(number, WAYS[way])) as proxy:
                code = project.apply(proxy.url)
            told = capsys.readouterr()
            arrived = proxy.requests[number - 1 : number]
            met += len(arrived)
            where = f"request {number} {arrived}, {way}: {told.err}"
            assert code in (0, 1, 6), where
            assert "Traceback" not in told.err, where
            try:
                project.finished()
            except AssertionError as error:
                raise AssertionError(where) from error
            tried += 1
    with capsys.disabled():
        sys.stderr.write(f"\n{met} of {tried} faults injected over {count} requests\n")


INDEX, ALIASES = "PUT /collections/swapped/index", "POST /collections/aliases"


@pytest.mark.parametrize("path", [INDEX, ALIASES])
@pytest.mark.parametrize("way", ["drop", "cut", "half", "stall"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_request_without_an_answer_is_sent_once_more(project, path, way, times, monkeypatch):
    """In vain the second time, too, the collection shows whether it has the index; the aliases that
    its replacement took down do not show there, so then the change is not done."""
    monkeypatch.setattr(
        "qdrantctl.flows.execution.schema_writes.SCHEMA_TIMEOUT", 1.0
    )  # else ten minutes
    project.fresh()
    met: list[bytes] = []

    def at_the_request(_: int, head: bytes) -> str | None:
        if len(met) == times or not head.startswith(path.encode()):
            return None
        met.append(head)
        return way

    with proxied(project.node.http_port, at_the_request) as proxy:
        is_seen = path == INDEX and way != "drop"
        assert project.apply(proxy.url) == (0 if times == 1 or is_seen else 6)
    assert len(met) == times
    project.finished()


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_killed_apply_is_finished_by_the_next(project, before, capsys):
    """SIGKILL when request N arrives, or once the server has acted on it."""
    count = requests_of_apply(project)
    first = 1 if FULL else (2 if before else 4)
    tried, met = 0, 0
    for number in range(first, count + 1, 1 if FULL else 15 * project.sparser):
        project.fresh()
        victim: list[subprocess.Popen[bytes]] = []

        def kill(asked: int, _: bytes, number=number, victim=victim) -> str | None:
            if asked != number:
                return None
            if before:
                os.kill(victim[0].pid, signal.SIGKILL)
                return "drop"
            return "cut"

        with proxied(project.node.http_port, kill) as proxy:
            words = [sys.executable, "-m", "qdrantctl", "apply", "-C", str(project.folder)]
            environ = {**os.environ, "ENDURANCE_URL": proxy.url}
            proxy.after_cut = lambda victim=victim: os.kill(victim[0].pid, signal.SIGKILL)
            words += project.flags
            process = subprocess.Popen(words, env=environ, stderr=subprocess.PIPE)
            victim.append(process)
            told = process.communicate(timeout=300)[1].decode()
        is_met = len(proxy.requests) >= number
        assert process.returncode == (-signal.SIGKILL if is_met else 0), (number, told)
        try:
            project.finished()
        except AssertionError as error:
            raise AssertionError(f"killed at request {number} of {count}") from error
        tried, met = tried + 1, met + is_met
    with capsys.disabled():
        sys.stderr.write(f"\nkilled {met} of {tried} times over {count} requests\n")
