"""plan and apply as a person or a pipeline meets them: terminal, signals, keys, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest

from qdrantctl.model.server import Version
from tests.support.cli import run_cli
from tests.support.proxy import answer, proxied
from tests.support.servers import free_port
from tests.support.terminal import on_terminal

CANARY = "canary-key-81c7d2"
COLLECTION = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  payload_indexes: {a: keyword, b: keyword}
"""
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    prod:
      url: {env: CLUSTER_URL}
      api_key: {env: CLUSTER_KEY}
"""


@pytest.fixture
def project(tmp_path, monkeypatch, empty_qdrant):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "products.yaml").write_text(COLLECTION)
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    monkeypatch.setenv("CLUSTER_KEY", CANARY)
    monkeypatch.setenv("CI", "true")
    return tmp_path


def started(project, *words, **more):
    words = [sys.executable, "-m", "qdrantctl", *words]
    return subprocess.Popen(words, cwd=project, **more)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
class TestOutputThatCannotBeWritten:
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize(
        ("where", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")]
    )
    def test_is_told_before_anything_is_done(self, where, why, unbuffered, project, empty_qdrant):
        done = self.shell(project, f"apply --auto-approve {where}", PYTHONUNBUFFERED=unbuffered)
        assert done.returncode == 1
        assert f"Error: standard output cannot be written: {why}" in done.stderr
        assert empty_qdrant.request("GET", "/collections")[1]["result"]["collections"] == []

    def test_loses_nothing_of_what_was_applied(self, project):
        """The plan goes to stderr, the report to where there is no room."""
        done = self.shell(project, "apply --auto-approve --format json >/dev/full")
        assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
        done = self.shell(project, "plan --detailed-exitcode")
        assert (done.returncode, "No changes" in done.stdout) == (0, True)

    @pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2>&- <&-"])
    def test_progress_that_nobody_hears_stops_nothing(self, where, project):
        done = self.shell(project, f"apply --auto-approve {where}")
        assert (done.returncode, "1 added" in done.stdout) == (0, True)
        assert self.shell(project, "plan --detailed-exitcode").returncode == 0

    def test_a_reader_that_went_away_is_nobody_to_tell(self, project):
        done = self.shell(project, "schema | true")
        assert (done.returncode, done.stderr) == (0, "")

    @staticmethod
    def shell(project, words, **environ):
        line = f"{sys.executable} -m qdrantctl {words}"
        environ = os.environ | environ
        return subprocess.run(
            line, shell=True, cwd=project, env=environ, capture_output=True, text=True, check=False
        )


def collections(node):
    return {c["name"] for c in node.request("GET", "/collections")[1]["result"]["collections"]}


def test_without_a_terminal_nothing_is_asked_of_anybody(project, empty_qdrant, monkeypatch, capsys):
    with proxied(empty_qdrant.http_port, lambda *_: None) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        assert run_cli("apply", project=project).code == 64
    assert proxy.requests == []
    assert "--auto-approve" in capsys.readouterr().err


def test_only_yes_is_approval(project, empty_qdrant):
    code, shown = on_terminal(project, "apply", answers=["y"])
    assert code == 1
    assert "shop/prod" in shown
    assert empty_qdrant.url in shown
    assert "cancelled" in shown
    assert collections(empty_qdrant) == set()
    code, shown = on_terminal(project, "apply", answers=["yes"])
    assert code == 0, shown
    assert "\x1b[32m" in shown
    assert collections(empty_qdrant) == {"products", "_qdrantctl"}


def test_no_colour_where_it_is_not_wanted(project, monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    _, shown = on_terminal(project, "plan")
    assert "+ collection/products" in shown
    assert "\x1b[3" not in shown
    monkeypatch.delenv("NO_COLOR")
    run_cli("plan", project=project)
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    run_cli("plan", project=project)
    assert "\x1b[32m" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_apply_after_the_request_in_flight(project, empty_qdrant, number):
    """It comes while the first of two indexes is being made; the second is left to the next."""
    sent: list[subprocess.Popen[bytes]] = []

    def interrupt(_: int, head: bytes) -> None:
        if b"/index" in head and b"PUT" in head:
            sent[0].send_signal(number)
            time.sleep(0.5)

    with proxied(empty_qdrant.http_port, interrupt) as proxy:
        environ = {**os.environ, "CLUSTER_URL": proxy.url}
        process = started(project, "apply", "--auto-approve", env=environ, stderr=subprocess.PIPE)
        sent.append(process)
        told = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, told
    assert "interrupted after 2 of 3 steps" in told
    schema = empty_qdrant.request("GET", "/collections/products")[1]["result"]["payload_schema"]
    assert list(schema) == ["a"]
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 2
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 0


def test_plan_only_reads(project, empty_qdrant, monkeypatch):
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    (project / "manifests" / "products.yaml").write_text(COLLECTION.replace("b: keyword", ""))
    with proxied(empty_qdrant.http_port, lambda *_: None) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        assert run_cli("plan", "--detailed-exitcode", project=project).code == 2
    others = [line for line in proxy.requests if not line.startswith("GET ")]
    assert [line.split()[1].partition("?")[0] for line in others] == [
        "/collections/_qdrantctl/points/scroll"
    ]


def test_a_read_only_key_is_enough_to_plan(project, fresh_qdrant, monkeypatch):
    environ = {"QDRANT__SERVICE__READ_ONLY_API_KEY": "read-only-key-1"}
    node = fresh_qdrant(api_key=CANARY, environ=environ)
    monkeypatch.setenv("CLUSTER_URL", node.url)
    monkeypatch.setenv("CLUSTER_KEY", "read-only-key-1")
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 2
    result = run_cli("apply", "--auto-approve", project=project)
    assert result.code == 1
    assert "is read-only" in result.err
    monkeypatch.setenv("CLUSTER_KEY", CANARY)
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    monkeypatch.setenv("CLUSTER_KEY", "read-only-key-1")
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 0


def test_servers_that_do_not_answer(project, fresh_qdrant, monkeypatch):
    monkeypatch.setenv("CLUSTER_URL", f"http://127.0.0.1:{free_port()}")
    result = run_cli("plan", project=project)
    assert result.code == 1
    assert "cannot be reached" in result.err
    monkeypatch.setenv("CLUSTER_URL", fresh_qdrant(api_key="another").url)
    result = run_cli("apply", "--auto-approve", project=project)
    assert result.code == 1
    told = result.err
    assert "rejects the API key" in told
    assert "came from the environment variable CLUSTER_KEY (qdrantctl.yaml:8)" in told
    assert "QDRANT_API_KEY" not in told
    assert CANARY not in told


def test_the_formats_of_apply(project):
    result = run_cli("apply", "--auto-approve", "--format", "json", project=project)
    assert result.code == 0
    report = json.loads(result.out)
    assert [o["status"] for o in report["outcomes"]] == ["done"]
    result = run_cli("apply", "--auto-approve", "--format", "markdown", project=project)
    assert result.code == 0
    assert "No changes" in result.out


def test_what_the_server_does_not_take_ends_with_six(project, empty_qdrant, monkeypatch):
    """A server that says ok to every PATCH and does nothing."""
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    tuned = COLLECTION + "  hnsw_config: {m: 33}\n"
    (project / "manifests" / "products.yaml").write_text(tuned)
    later = COLLECTION.replace("name: products", "name: reviews")
    (project / "manifests" / "reviews.yaml").write_text(later)

    def lie(_: int, head: bytes) -> bytes | None:
        return answer(200, b'{"result":true,"status":"ok"}') if b"PATCH" in head[:5] else None

    with proxied(empty_qdrant.http_port, lie) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        shown = run_cli("apply", "--auto-approve", "--parallelism", "1", project=project)
    assert shown.code == 6
    assert "hnsw_config.m (requested 33, server reports 16)" in shown.out + shown.err
    assert "Not reached: collection/reviews.\n" in shown.out
    assert "not reached" not in shown.err
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    assert run_cli("apply", "--auto-approve", project=project).code == 0


def test_wait_ends_when_the_collection_is_green(project, empty_qdrant):
    points = [{"id": i, "vector": [i, 1, 2, 3]} for i in range(1, 3000)]
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    body = {"points": points}
    assert empty_qdrant.request("PUT", "/collections/products/points?wait=true", body)[0] == 200
    tuned = COLLECTION + "  hnsw_config: {m: 48}\n  optimizers_config: {indexing_threshold: 1}\n"
    (project / "manifests" / "products.yaml").write_text(tuned)
    result = run_cli("apply", "--auto-approve", "--wait", project=project)
    assert result.code == 0
    assert "collection/products: green" in result.err
    status = empty_qdrant.request("GET", "/collections/products")[1]["result"]["status"]
    assert status == "green"


@pytest.fixture
def filled(project, empty_qdrant):
    """The collection of the project, with points that make a change of the graph take time."""
    points = [{"id": i, "vector": [i, 1, 2, 3]} for i in range(1, 3000)]
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    body = {"points": points}
    assert empty_qdrant.request("PUT", "/collections/products/points?wait=true", body)[0] == 200
    return empty_qdrant


@pytest.mark.parametrize(
    ("optimizers", "code", "text"),
    [
        ("{indexing_threshold: 1, max_optimization_threads: 0}", 6,
         "collection/products is yellow, not green: max_optimization_threads is 0"),
        ("{indexing_threshold: 0}", 0,
         "collection/products is green: indexing_threshold is 0, so the server builds no graph"),
    ],
)  # fmt: skip
def test_an_index_that_never_comes_is_not_waited_for(project, filled, optimizers, code, text):
    tuned = COLLECTION + f"  hnsw_config: {{m: 48}}\n  optimizers_config: {optimizers}\n"
    (project / "manifests" / "products.yaml").write_text(tuned)
    started = time.monotonic()
    result = run_cli("apply", "--auto-approve", "--wait", project=project)
    assert (result.code, text in result.err) == (code, True), result.err
    assert time.monotonic() - started < 60


def test_a_wait_has_an_end(project, filled, monkeypatch):
    still = (
        b'{"result":{"status":"yellow","indexed_vectors_count":7,"points_count":2999,'
        b'"config":{"params":{}},"payload_schema":{}}}'
    )
    tuned = COLLECTION + "  hnsw_config: {m: 48}\n"
    (project / "manifests" / "products.yaml").write_text(tuned)
    heads: list[bytes] = []

    def slow(_: int, head: bytes) -> bytes | None:
        heads.append(head)
        is_released = any(
            sent.startswith(b"DELETE /collections/_qdrantctl_lease") for sent in heads
        )
        return answer(200, still) if is_released and b"GET /collections/products " in head else None

    with proxied(filled.http_port, slow) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        words = ("--wait", "--wait-timeout", "0.3")
        result = run_cli("apply", "--auto-approve", *words, project=project)
    assert result.code == 6, result.err
    assert (
        "collection/products is yellow, not green: 7 of 2,999 points are indexed after 0.3 s. "
        "--wait-timeout SECONDS waits longer." in result.err
    )


INDEXED = COLLECTION.replace("{a: keyword, ", "{a: keyword, brand: keyword, ")
BRAND = {"field_name": "brand", "field_schema": "keyword"}
WORKING = b'{"result":{"operation_id":1,"status":"wait_timeout"},"status":"ok","time":60.0}'
LIMITED = b'{"status":{"error":"Rate limiting exceeded: Write rate limit exceeded"},"time":0.1}'
FULL = b'{"status":{"error":"Insufficient storage: Disk usage is at 73%"},"time":0.1}'


def apply_index(project, node, monkeypatch, answers, *words):
    """Apply an index where the proxy answers its request; `answers` is called for that."""
    (project / "manifests" / "products.yaml").write_text(INDEXED)

    def at_the_index(_: int, head: bytes) -> bytes | None:
        return answers() if head.startswith(b"PUT /collections/products/index") else None

    with proxied(node.http_port, at_the_index) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        return run_cli("apply", "--auto-approve", *words, project=project)


@pytest.mark.parametrize(("delay", "timeout", "code"), [(3.0, "60", 0), (None, "0.5", 6)])
def test_an_index_that_the_server_still_builds_is_waited_for(
    project, filled, monkeypatch, delay, timeout, code
):
    """As servers from 1.17 on answer: 200, and the index is not complete.

    A proxy answers for a server that gives no such answer, and the index comes later. A server
    that does tells by an empty queue that it will not come; test_writes_under_way.py tries it.
    """
    version = Version.parse(filled.request("GET", "/")[1]["version"])
    if version >= Version(1, 17, 0):
        pytest.skip("the queue of this server shows that it builds nothing")

    def later() -> None:
        filled.request("PUT", "/collections/products/index?wait=true", BRAND)

    def slow() -> bytes:
        if delay:
            Timer(delay, later).start()
        return answer(200, WORKING)

    result = apply_index(project, filled, monkeypatch, slow, "--wait-timeout", timeout, "-v")
    assert result.code == code, result.out + result.err
    waiting = f"payload index brand: waiting up to {timeout} s for the server"
    assert waiting in result.err


def test_an_index_that_is_done_despite_a_rate_limit_is_done(project, filled, monkeypatch):
    """As every node does it before the limit is asked; a proxy stands for the bucket of a user."""

    def done_all_the_same() -> bytes:
        filled.request("PUT", "/collections/products/index?wait=true", BRAND)
        return answer(429, LIMITED, "retry-after: 60")

    result = apply_index(project, filled, monkeypatch, done_all_the_same)
    assert result.code == 0, result.out + result.err


def test_a_quota_is_named_and_the_outcome_known(project, filled, monkeypatch):
    """As 1.19 answers an index of which nothing was done; the server here has no quota."""
    result = apply_index(project, filled, monkeypatch, lambda: answer(507, FULL))
    assert result.code == 6
    told = " ".join((result.out + result.err).split())
    assert "Disk usage is at 73%" in told
    assert "Nothing was done: a quota" in told
    assert "GET /quotas" in told
    assert "may have taken effect" not in told


COMMANDS = (
    ("validate",),
    ("plan", "-vvv"),
    ("plan", "--format", "json", "-vvv"),
    ("plan", "--format", "markdown"),
    ("apply", "--auto-approve", "-vvv"),
    ("apply", "--auto-approve", "--format", "json"),
    ("apply", "--auto-approve", "--format", "markdown"),
    ("render",),
    ("plan", "--target", "collection/nope"),
    ("plan", "-e", "nope"),
)


@pytest.mark.parametrize("fault", [None, 401, 403, 429, 500, "cut", "half", b"\x00\xff\r\n"])
def test_the_key_is_never_shown(project, empty_qdrant, monkeypatch, capsysbinary, fault):
    """The server's own words repeat the key, too."""
    echo = json.dumps({"status": {"error": f"bad key {CANARY}"}}).encode()
    told = answer(fault, echo, "retry-after: 0") if isinstance(fault, int) else fault
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.RETRY_PAUSE", 0.001)
    with proxied(empty_qdrant.http_port, lambda *_: told) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        for words in COMMANDS:
            run_cli(words[0], *words[1:], project=project)
    captured = capsysbinary.readouterr()
    assert CANARY.encode() not in captured.out + captured.err
    assert captured.out + captured.err
    body = {"limit": 100, "with_payload": True}
    scroll = empty_qdrant.request("POST", "/collections/_qdrantctl/points/scroll", body)
    assert CANARY not in json.dumps(scroll)


def test_a_collection_of_which_nothing_is_stated(project, empty_qdrant):
    manifest = COLLECTION.partition("spec:")[0] + "spec: {}\n"
    (project / "manifests" / "products.yaml").write_text(manifest)
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 0
    assert collections(empty_qdrant) == {"products", "_qdrantctl"}


def test_a_bug_is_no_traceback(project, monkeypatch):
    """Replaced by something that fails, since no input is known that does."""
    monkeypatch.setattr("qdrantctl.flows.planning.plan.read_cluster_state", lambda *_: [][CANARY])
    result = run_cli("plan", project=project)
    assert result.code == 1
    told = result.err
    assert "This is a bug in qdrantctl" in told
    assert "TypeError" in told
    assert CANARY not in told
    monkeypatch.setenv("QDRANTCTL_DEBUG", "1")
    with pytest.raises(TypeError):
        run_cli("plan", project=project)
