"""Ten changes at once: the same world and the same report as one by one, however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter

import pytest

from benchmarks.delay_proxy import delay_proxy
from qdrantctl.adapters.qdrant import lease_lock
from tests.support.project import VECTORS, Project
from tests.support.proxy import answer, proxied

COUNT = 12
NAMES = [f"c{number:02}" for number in range(COUNT)]
INDEXED = {"vectors": VECTORS, "payload_indexes": {"k": "keyword"}}
BROKEN = answer(500, b'{"status":{"error":"injected"},"time":0}')


@pytest.fixture
def shop(tmp_path):
    """A dozen collections, two of them with an alias."""
    project = Project(tmp_path / "shop")
    project.states(dict.fromkeys(NAMES, INDEXED), {"first": "c00", "last": "c11"})
    return project


def apply_to(project, url, *flags):
    return project.run(url, "apply", "--auto-approve", "--format", "json", *flags)


def finish(project, node):
    """What was left over is applied, and nothing is missing then."""
    told = apply_to(project, node)
    assert told.code == 0, told.err
    assert project.plan(node).code == 0
    entries = node.request("POST", "/collections/_qdrantctl/points/scroll", {"limit": 100})
    assert '"pending"' not in json.dumps(entries)


def creates(number: int, head: bytes) -> bool:
    """Whether a request creates the collection of this number."""
    return head.startswith(f"PUT /collections/{NAMES[number]} ".encode())


def test_the_report_has_the_order_of_the_plan(shop, empty_qdrant, tmp_path):
    receipt = tmp_path / "receipt.json"
    told = apply_to(shop, empty_qdrant, "--receipt", str(receipt))
    addresses = [*(f"collection/{name}" for name in NAMES), "alias/first", "alias/last"]
    assert [outcome["address"] for outcome in told.document["outcomes"]] == addresses
    assert re.findall(r"^(\S+): created", told.err, re.MULTILINE) == addresses
    assert json.loads(receipt.read_text()) == told.document
    finish(shop, empty_qdrant)


def test_shard_keys_are_made_while_nothing_else_changes(tmp_path, empty_qdrant):
    """Beside them every creation of 1.16.3 ends with 500 after ten seconds."""
    project = Project(tmp_path / "shop")
    keyed = {"vectors": VECTORS, "sharding_method": "custom", "shard_keys": ["eu", "us"]}
    project.states(dict.fromkeys(NAMES, INDEXED) | {"c03-keyed": keyed, "c07-keyed": keyed})
    finish(project, empty_qdrant)


def test_what_each_change_costs(shop, empty_qdrant):
    """Requests are counted exactly. What threads share depends on when they ask for it."""
    with delay_proxy(empty_qdrant.url, 0.02) as proxy:
        assert apply_to(shop, proxy.url).code == 0
    counts = Counter(
        re.sub(r"c\d\d", "NAME", request) for request in proxy.requests if "/c" in request[12:]
    )
    alone = {word: number for word, number in counts.items() if "NAME" in word}
    assert alone == {
        "PUT /collections/NAME": COUNT,
        "PUT /collections/NAME/index": COUNT,
        "GET /collections/NAME": COUNT,
    }
    changes = COUNT + 2
    ledger = proxy.counts["PUT /collections/_qdrantctl/points"]
    assert ledger < 2 * changes  # one by one each takes two
    assert proxy.counts["GET /aliases"] <= changes + 2  # two are for the plans
    assert proxy.round_trips < 6 * changes
    assert proxy.connections <= 10 + 1 + 4  # threads, the main one, and the first reads of a plan


def test_one_at_a_time_takes_them_in_order(shop, empty_qdrant):
    with proxied(empty_qdrant.http_port, lambda *_: None) as proxy:
        assert apply_to(shop, proxy.url, "--parallelism", "1").code == 0
    created = [line for line in proxy.requests if re.match(r"PUT /collections/c\d\d ", line)]
    assert created == [f"PUT /collections/{name} HTTP/1.1" for name in NAMES]


def test_a_failure_starts_nothing_more(shop, empty_qdrant):
    def fault(_, head):
        return BROKEN if creates(1, head) else None

    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = apply_to(shop, proxy.url, "--parallelism", "3")
    assert told.code == 6
    statuses = [outcome["status"] for outcome in told.document["outcomes"]]
    assert statuses[:2] == ["done", "failed"]
    assert statuses[-2:] == ["not_reached"] * 2
    assert statuses.count("failed") == 1
    finish(shop, empty_qdrant)


def test_aliases_wait_for_their_collections(shop, empty_qdrant):
    with proxied(empty_qdrant.http_port, lambda *_: None) as proxy:
        assert apply_to(shop, proxy.url, "--parallelism", "14").code == 0
    lines = [line.split(" HTTP")[0] for line in proxy.requests]
    moved = lines.index("POST /collections/aliases")
    assert moved > min(
        lines.index(f"PUT /collections/{name}/index?wait=true") for name in ("c00", "c11")
    )


def test_a_signal_lets_end_what_is_under_way(shop, empty_qdrant):
    victim: list[subprocess.Popen[bytes]] = []

    def fault(_, head):
        if creates(1, head):
            victim[0].send_signal(signal.SIGINT)

    with proxied(empty_qdrant.http_port, fault) as proxy:
        words = [sys.executable, "-m", "qdrantctl", "apply", "--auto-approve", "--format", "json"]
        process = subprocess.Popen(
            [*words, "--parallelism", "3"],
            cwd=shop.folder,
            env={**os.environ, "FLOWS_URL": proxy.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        victim.append(process)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"Stopping after the requests in flight" in err
    statuses = Counter(outcome["status"] for outcome in json.loads(out)["outcomes"])
    assert statuses["not_reached"] >= 5
    assert "_qdrantctl_lease.shop.dev.1" not in str(empty_qdrant.request("GET", "/collections"))
    finish(shop, empty_qdrant)


def test_a_lease_that_is_lost_stops_every_thread(shop, empty_qdrant, monkeypatch):
    monkeypatch.setattr(lease_lock, "PROOF_SECONDS", 0.0)

    def fault(_, head):
        if creates(2, head):
            empty_qdrant.request("DELETE", "/collections/_qdrantctl_lease.shop.dev.1")

    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = apply_to(shop, proxy.url, "--parallelism", "3")
    assert told.code == 6
    outcomes = told.document["outcomes"]
    failed = [outcome["error"] for outcome in outcomes if outcome["status"] == "failed"]
    assert 1 <= len(failed) <= 3
    assert all("of this apply was broken" in error for error in failed)
    assert outcomes[-1]["status"] == "not_reached"
    finish(shop, empty_qdrant)


def test_a_server_that_dies_meanwhile(shop, fresh_qdrant):
    node = fresh_qdrant()

    def fault(_, head):
        if creates(3, head):
            node.process.kill()
            node.process.wait()

    with proxied(node.http_port, fault) as proxy:
        told = apply_to(shop, proxy.url)
    assert told.code == 6
    assert "Traceback" not in told.err
    node.start()
    shop.run(node, "lease", "break", "1", "--auto-approve")
    finish(shop, node)


def test_requests_and_progress_do_not_mix(shop, empty_qdrant):
    told = apply_to(shop, empty_qdrant, "-vv", "--progress", "json")
    assert told.code == 0
    requests = [line for line in told.err.splitlines() if " -> " in line and "/collections" in line]
    assert len(requests) > 3 * COUNT
    whole = re.compile(r"(GET|PUT|POST|PATCH|DELETE) /\S* -> \d{3} \(\d+ ms\)")
    assert [line for line in requests if not whole.fullmatch(line)] == []
