"""Two applies of one owner, as processes on real servers: each ends as it must, and says why."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.support.leases import LASTS, Project, collections, ended, holding, leases, m_of
from tests.support.proxy import proxied

FIRST = "_qdrantctl_lease.shop.dev.1"


@pytest.fixture(
    params=[
        pytest.param("one node", marks=pytest.mark.server),
        pytest.param("three nodes", marks=[pytest.mark.server, pytest.mark.cluster]),
    ]
)
def nodes(request):
    """The servers, without any collection; the first is what ada talks to, the last bob."""
    if request.param == "one node":
        return [request.getfixturevalue("empty_qdrant")]
    found = request.getfixturevalue("three_nodes")
    found[0].wipe()
    return found


@pytest.fixture
def shop(tmp_path):
    return Project(tmp_path / "shop").write()


def test_the_second_ends_with_five_and_names_the_first(nodes, shop):
    with holding(nodes[0]) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        assert leases(nodes[-1]) == [FIRST]
        before = collections(nodes[-1])
        code, told = shop.apply(nodes[-1].url)
        assert code == 5, told
        assert f"The lease {FIRST} is held by ada, run https://ci.example/ada, since 20" in told
        assert "no changes were made" in told
        assert "--lease-timeout" in told
        assert "lease break 1" in told
        assert collections(nodes[-1]) == before
        held.go.set()
        code, told = ended(first)
    assert code == 0, told
    assert collections(nodes[-1]) == {"_qdrantctl", "products"}
    assert ended(shop.start(nodes[-1].url, "plan", "--detailed-exitcode"))[0] == 0


def test_of_two_that_take_it_in_the_same_moment_one_wins(nodes, shop):
    """Both requests that create the lease are let go at once; the winner then takes a while."""
    both = threading.Barrier(2, timeout=60)

    def meet(_: int, head: bytes) -> None:
        if head.startswith(b"PUT /collections/_qdrantctl_lease"):
            both.wait()
        if head.startswith(b"PUT /collections/products"):
            time.sleep(3)

    with proxied(nodes[0].http_port, meet) as one, proxied(nodes[-1].http_port, meet) as other:
        started = [
            shop.start(url, "apply", "--auto-approve", who=who)
            for url, who in ((one.url, "ada"), (other.url, "bob"))
        ]
        told = dict(zip(("ada", "bob"), map(ended, started), strict=True))
    assert sorted(code for code, _ in told.values()) == [0, 5], told
    winner = next(who for who, (code, _) in told.items() if code == 0)
    loser = next(text for code, text in told.values() if code == 5)
    assert f"held by {winner}, run https://ci.example/{winner}" in loser
    assert leases(nodes[0]) == []


def test_a_killed_holder_is_followed_after_its_time(nodes, shop):
    with holding(nodes[0]) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve", lasts=20)
        held.there()
        first.kill()
        first.wait()
        assert shop.apply(nodes[-1].url)[0] == 5
        # The server may yet do what had been sent to it.
        held.go.set()
        code, told = shop.apply(nodes[-1].url, "--lease-timeout", "60")
    assert code == 0, told
    assert f"The lease {FIRST} of ada, run https://ci.example/ada, since" in told
    assert "taken over as _qdrantctl_lease.shop.dev.2" in told
    assert collections(nodes[-1]) == {"_qdrantctl", "products"}


@pytest.mark.parametrize("meanwhile", ["is running", "has ended", "is in its third"])
def test_a_paused_holder_that_wakes_up_stops(nodes, shop, meanwhile):
    """It is stopped within a write, another applies something else, and it wakes up.

    `in its third`: the name of its own lease is in use again, by others.
    """
    with holding(nodes[0], "PUT /collections/_qdrantctl/points") as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        first.send_signal(signal.SIGSTOP)
        held.go.set()
        sent = held.writes
        time.sleep(LASTS + 2)
        shop.write(m=40)
        with holding(nodes[-1], "PUT /collections/products") as other:
            second = shop.start(other.proxy.url, "apply", "--auto-approve", who="bob")
            other.there()
            assert leases(nodes[0]) == ["_qdrantctl_lease.shop.dev.2"]
            if meanwhile != "is running":
                other.go.set()
                assert ended(second)[0] == 0
            shop.write(m=48)
            with holding(nodes[-1], "PATCH /collections/products") as third:
                if meanwhile == "is in its third":
                    last = shop.start(third.proxy.url, "apply", "--auto-approve", who="eve")
                    third.there()
                    assert leases(nodes[0]) == [FIRST]
                first.send_signal(signal.SIGCONT)
                code, told = ended(first)
                third.go.set()
                if meanwhile == "is in its third":
                    assert ended(last)[0] == 0
            other.go.set()
            if meanwhile == "is running":
                assert ended(second)[0] == 0
    assert held.writes == sent
    assert code in (5, 6), told
    who = {"is running": "bob", "has ended": "", "is in its third": "eve"}[meanwhile]
    expected = f"held by {who}" if who else "broken, or taken over and released since"
    assert f"the lease {FIRST} of this apply was" in told
    assert expected in told
    assert m_of(nodes[-1]) == (48 if meanwhile == "is in its third" else 40)
    assert leases(nodes[0]) == []


def test_a_request_may_take_longer_than_a_lease_lasts(empty_qdrant, shop):
    with holding(empty_qdrant) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        time.sleep(LASTS * 2)
        assert shop.apply(empty_qdrant.url)[0] == 5
        held.go.set()
        code, told = ended(first)
    assert code == 0, told


def test_two_owners_do_not_wait_for_each_other(nodes, shop, tmp_path):
    catalog = Project(tmp_path / "catalog", "catalog").write("books")
    with holding(nodes[0]) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        code, told = catalog.apply(nodes[-1].url)
        assert code == 0, told
        assert leases(nodes[-1]) == [FIRST]
        held.go.set()
        code, told = ended(first)
    assert code == 0, told
    assert collections(nodes[-1]) == {"_qdrantctl", "products", "books"}


def test_it_can_be_waited_for(empty_qdrant, shop):
    with holding(empty_qdrant) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        code, told = shop.apply(empty_qdrant.url, "--lease-timeout", "1.5")
        assert code == 5, told
        assert told.count("Waiting up to 1.5 s.") == 1
        waiting = [
            shop.start(empty_qdrant.url, "apply", "--auto-approve", "--lease-timeout", "60")
            for _ in range(2)
        ]
        for process in waiting:
            line = process.stderr.readline()
            assert f"Waiting up to 60 s. The lease {FIRST} is held by ada" in line
        held.go.set()
        assert ended(first)[0] == 0
        for process in waiting:
            code, told = ended(process)
            assert code == 0, told
            assert "No changes" in told
    assert leases(empty_qdrant) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_apply_gives_it_back(empty_qdrant, shop, number):
    with holding(empty_qdrant) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        first.send_signal(number)
        held.go.set()
        code, told = ended(first)
    assert code in (0, 130), told
    assert leases(empty_qdrant) == []
    assert shop.apply(empty_qdrant.url)[0] == 0


def test_waiting_can_be_interrupted(empty_qdrant, shop):
    with holding(empty_qdrant) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        second = shop.start(empty_qdrant.url, "apply", "--auto-approve", "--lease-timeout", "60")
        assert "Waiting" in second.stderr.readline()
        second.send_signal(signal.SIGINT)
        assert ended(second)[0] == 130
        assert leases(empty_qdrant) == [FIRST]
        held.go.set()
        assert ended(first)[0] == 0


def test_waiting_for_green_needs_no_lease(empty_qdrant, shop):
    """While one apply waits for re-indexing, the next may begin."""
    arrived, go, released = threading.Event(), threading.Event(), threading.Event()

    def hold(_, head):
        if head.startswith(f"DELETE /collections/{FIRST}".encode()):
            released.set()
        elif released.is_set() and head.startswith(b"GET /collections/products "):
            arrived.set()
            go.wait(60)

    with proxied(empty_qdrant.http_port, hold) as proxy:
        first = shop.start(proxy.url, "apply", "--auto-approve", "--wait")
        assert arrived.wait(60)
        assert leases(empty_qdrant) == []
        shop.write(m=24)
        assert shop.apply(empty_qdrant.url)[0] == 0
        go.set()
        assert ended(first)[0] == 0
