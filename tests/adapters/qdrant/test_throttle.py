"""All threads pause once the server limits the rate of one of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from qdrantctl.adapters.qdrant import throttle
from qdrantctl.adapters.qdrant.client import Endpoint, RestClient
from qdrantctl.adapters.qdrant.throttle import Throttle
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Call
from tests.support.proxy import answer, proxied

LIMITED = b"slow down"
PATCH = Call(method="PATCH", path="/collections/c", body={})


@pytest.fixture
def node(empty_qdrant):
    created = {"vectors": {"size": 4, "distance": "Dot"}}
    assert empty_qdrant.request("PUT", "/collections/c", created)[0] == 200
    return empty_qdrant


def test_no_thread_sends_before_the_time_that_one_was_told(node):
    """A gateway that refuses the third request: whatever comes within a second is refused too."""
    refused_at: list[float] = []
    early: list[float] = []

    def limit(number, _):
        if number == 3:
            refused_at.append(time.monotonic())
        if refused_at and time.monotonic() - refused_at[0] < 0.9:
            early.append(time.monotonic() - refused_at[0])
            return answer(429, LIMITED, "retry-after: 1")
        return None

    with (
        proxied(node.http_port, limit) as proxy,
        RestClient(Endpoint(url=proxy.url)) as cluster,
        ThreadPoolExecutor(4) as threads,
    ):
        assert all(threads.map(cluster.request, [PATCH] * 12))
    assert len(early) <= 4  # those that were under way at that moment
    assert len(proxy.requests) == 12 + len(early)


def test_a_longer_time_is_not_waited_for(node):
    with (
        proxied(node.http_port, lambda *_: answer(429, LIMITED, "retry-after: 60")) as proxy,
        RestClient(Endpoint(url=proxy.url)) as cluster,
        pytest.raises(ClusterError, match="429") as caught,
    ):
        cluster.request(PATCH)
    assert "try again in 60 seconds" in caught.value.hint
    assert len(proxy.requests) == 1


def test_a_limit_that_never_ends_does(node, monkeypatch):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.REPEATED_WITHIN", 0.3)
    with (
        proxied(node.http_port, lambda *_: answer(429, LIMITED, "retry-after: 0.1")) as proxy,
        RestClient(Endpoint(url=proxy.url)) as cluster,
        pytest.raises(ClusterError, match="429"),
    ):
        cluster.request(PATCH)
    assert 2 <= len(proxy.requests) <= 5


def test_the_distance_of_requests_grows_and_vanishes(monkeypatch):
    now, slept = [100.0], []
    monkeypatch.setattr(throttle.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(throttle.time, "sleep", slept.append)
    it = Throttle()
    it.wait()
    assert slept == []
    assert it.hold(2.0)
    it.wait()
    it.wait()
    assert slept == pytest.approx([2.0, 2.05])
    assert not it.hold(0)
    assert not it.hold(31)
    now[0] += 10
    for _ in range(10):
        it.relax()
    slept.clear()
    it.wait()
    it.wait()
    assert slept == []
