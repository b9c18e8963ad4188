"""Taking, keeping, losing and giving back a lease, on one node and on three."""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from qdrantctl.adapters.qdrant import lease_lock as held
from qdrantctl.adapters.qdrant import leases
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.lease_lock import LeaseGuardedClient, acquire_lease
from qdrantctl.flows.lease import break_lease
from qdrantctl.model.actor import Actor
from qdrantctl.model.errors import ClusterError, LeaseError
from qdrantctl.model.step import Call
from tests.support.leases import until
from tests.support.proxy import answer, proxied

OWNER = "shop/prod"
ROUNDS = 200 if os.environ.get("QDRANTCTL_ENDURANCE") == "full" else 15
RACERS = 6
ADA, BOB = Actor("ada", "c0ffee", "https://ci.example/1"), Actor("bob", "", "")
WRITE = Call(method="PUT", path="/collections/written", body={"vectors": {}})


@pytest.fixture(
    params=[
        pytest.param("one node", marks=pytest.mark.server),
        pytest.param("three nodes", marks=[pytest.mark.server, pytest.mark.cluster]),
    ]
)
def nodes(request):
    if request.param == "one node":
        return [request.getfixturevalue("empty_qdrant")]
    found = request.getfixturevalue("three_nodes")
    found[0].wipe()
    return found


@pytest.fixture
def node(empty_qdrant):
    return empty_qdrant


@pytest.fixture
def short(monkeypatch):
    """Leases that last one second; nobody renews by himself."""
    monkeypatch.setattr(held, "LEASE_SECONDS", 1)


def door(node):
    return RestClient(Endpoint(url=node.url))


def take(cluster, who=ADA, owner=OWNER):
    return acquire_lease(cluster, owner, who, str(uuid4()))


def names(node):
    listed = node.request("GET", "/collections")[1]["result"]["collections"]
    return sorted(entry["name"] for entry in listed)


def path(number):
    return f"/collections/_qdrantctl_lease.shop.prod.{number}"


def put(node, number, **terms):
    """A lease that somebody else has left, as both kinds of server keep it."""
    assert node.request("PUT", path(number), {"vectors": {}, "metadata": terms})[0] == 200
    body = {"points": [{"id": 1, "vector": {}, "payload": terms}]}
    assert node.request("PUT", f"{path(number)}/points?wait=true", body)[0] == 200


PAST, FUTURE = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


def test_it_says_who_and_until_when(nodes):
    with door(nodes[0]) as one, door(nodes[-1]) as other:
        holding = take(one)
        (seen,) = leases.list_leases(other, OWNER)
        assert seen == holding.lease
        assert (seen.name, seen.holder, seen.run) == (
            "_qdrantctl_lease.shop.prod.1", "ada", "https://ci.example/1",
        )  # fmt: skip
        assert 115 <= seen.remaining(other.server_time) <= 120
        with pytest.raises(LeaseError, match="another apply of shop/prod is running") as caught:
            take(other, BOB)
        assert "held by ada, run https://ci.example/1, since" in caught.value.why
        holding.release()
        # Deleting ends before the other nodes know.
        until(lambda: leases.list_leases(other, OWNER) == [], 5)
        take(other, BOB).release()
    until(lambda: names(nodes[0]) == [], 5)


@pytest.mark.parametrize("after", ["nothing", "an expired lease"])
def test_of_six_at_once_one_wins(nodes, after, capsys):
    """Repeated; each round six connections take the lease at once, spread over the nodes."""
    doors = [door(nodes[number % len(nodes)]) for number in range(RACERS)]
    won = []

    def race(number):
        try:
            return take(doors[number], Actor(f"racer {number}", "", ""))
        except LeaseError as error:
            assert "held by racer" in error.why, error.why
            return None

    with ThreadPoolExecutor(RACERS) as pool:
        list(pool.map(lambda one: one.server, doors))
        for _ in range(ROUNDS):
            if after == "an expired lease":
                put(nodes[0], 7, id="old", holder="the dead", expires=PAST)
            winners = [holding for holding in pool.map(race, range(RACERS)) if holding]
            assert len(winners) == 1
            (winner,) = winners
            winner.confirm()
            assert winner.lease.number == (1 if after == "nothing" else 8)
            assert [lease.holder for lease in winner.superseded] == ["the dead"] * (
                after != "nothing"
            )
            assert leases.list_leases(doors[-1], OWNER) == [winner.lease]
            won.append(winner.lease.holder)
            winner.release()
    with capsys.disabled():
        sys.stderr.write(
            f"\n{ROUNDS} races of {RACERS} on {len(nodes)} nodes after {after}: one winner each, "
            f"{len(set(won))} different ones\n"
        )


@pytest.fixture
def unproven(monkeypatch):
    """A lease is read again before each write."""
    monkeypatch.setattr(held, "PROOF_SECONDS", 0)


def test_writes_pass_while_it_is_held_and_not_when_a_higher_one_stands(nodes, unproven):
    with door(nodes[0]) as cluster:
        holding = take(cluster)
        fenced = LeaseGuardedClient(cluster, holding)
        fenced.request(WRITE)
        put(nodes[-1], 2, id="other", holder="eve", expires=FUTURE)
        assert "written" in [
            c["name"]
            for c in fenced.request(Call(method="GET", path="/collections"))["collections"]
        ]
        with pytest.raises(LeaseError, match="was taken over") as caught:
            fenced.request(Call(method="DELETE", path="/collections/written"))
        assert "held by eve, as _qdrantctl_lease.shop.prod.2" in caught.value.why
        assert "written" in names(nodes[0])
        holding.release()
    assert [name for name in names(nodes[0]) if "lease" in name] == [
        "_qdrantctl_lease.shop.prod.1",
        "_qdrantctl_lease.shop.prod.2",
    ]


CHANGE = Call(method="PATCH", path="/collections/written", body={})


def test_a_write_may_pass_as_long_as_the_last_proof_lasts(node, monkeypatch):
    """And none after that; a process that was suspended has a proof that is too old at once."""
    monkeypatch.setattr(held, "PROOF_SECONDS", 60.0)
    suspended, real = [0.0], time.time
    monkeypatch.setattr(held.time, "time", lambda: real() + suspended[0])
    with proxied(node.http_port, lambda *_: None) as proxy, door(proxy) as cluster:
        guarded = LeaseGuardedClient(cluster, take(cluster))
        guarded.request(WRITE)
        proven = lease_requests(proxy)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(guarded.request, [CHANGE] * 4))
        assert lease_requests(proxy) == proven
        suspended[0] = 120.0
        guarded.request(CHANGE)
        assert lease_requests(proxy) == proven + 2
        leases.delete_lease(cluster, guarded.held_lease.lease)
        guarded.request(CHANGE)
        monkeypatch.setattr(held, "PROOF_SECONDS", 0.1)
        time.sleep(0.1)
        with pytest.raises(LeaseError, match="broken"):
            guarded.request(CHANGE)
        guarded.held_lease.release()


def lease_requests(proxy):
    return sum("_qdrantctl_lease" in line for line in proxy.requests)


def test_a_broken_lease_excludes_others_until_its_holder_has_stopped(nodes, monkeypatch):
    monkeypatch.setattr(held, "PROOF_SECONDS", 0.5)
    deleted = []

    def delete(client, lease, delete=leases.delete_lease):
        deleted.append(time.monotonic())
        delete(client, lease)

    monkeypatch.setattr(leases, "delete_lease", delete)
    with door(nodes[0]) as one, door(nodes[-1]) as other, ThreadPoolExecutor(1) as pool:
        holding = take(one)
        guarded = LeaseGuardedClient(one, holding)
        guarded.request(WRITE)
        breaking = pool.submit(break_lease, other, holding.lease)
        last, until = 0.0, time.monotonic() + 20
        with pytest.raises(LeaseError, match="broken"):
            while time.monotonic() < until:
                asked = time.monotonic()
                guarded.request(CHANGE)
                last = asked
        breaking.result()
        assert last < deleted[0]
        take(other, BOB).release()
        holding.release()


def test_a_lease_that_is_gone_or_anothers_lets_nothing_through(nodes, unproven):
    for other in (None, "other"):
        with door(nodes[0]) as cluster:
            holding = take(cluster)
            leases.delete_lease(cluster, holding.lease)
            if other:
                put(nodes[-1], 1, id=other, holder="eve", expires=FUTURE)
            with pytest.raises(LeaseError, match="taken over" if other else "broken"):
                LeaseGuardedClient(cluster, holding).request(WRITE)
            holding.release()
            assert names(nodes[0]) == ["_qdrantctl_lease.shop.prod.1"] * bool(other)


def test_it_is_renewed_while_nobody_asks(nodes, monkeypatch):
    monkeypatch.setattr(held, "LEASE_SECONDS", 2)
    monkeypatch.setattr(held, "RENEW_SECONDS", 0.3)
    with door(nodes[0]) as cluster, door(nodes[-1]) as other:
        holding = take(cluster)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with pytest.raises(LeaseError):
                take(other, BOB)
            time.sleep(0.3)
        holding.confirm()
        holding.release()
    assert names(nodes[0]) == []


def test_who_was_asleep_renews_before_he_writes(nodes, short):
    with door(nodes[0]) as cluster, door(nodes[-1]) as other:
        holding = take(cluster)
        time.sleep(3)
        assert leases.list_leases(other, OWNER)[0].is_expired(other.server_time)
        LeaseGuardedClient(cluster, holding).request(WRITE)
        assert not leases.list_leases(other, OWNER)[0].is_expired(other.server_time)
        holding.release()


def test_all_that_the_dead_left_is_cleared_away(nodes, capsys):
    put(nodes[0], 3, id="a", holder="ada", expires=PAST)
    put(nodes[0], 4, id="b", holder="eve", expires=PAST)
    with door(nodes[-1]) as cluster:
        holding = take(cluster, BOB)
        assert [lease.number for lease in holding.superseded] == [3, 4]
        assert names(nodes[0]) == ["_qdrantctl_lease.shop.prod.5"]
        holding.release()


@pytest.mark.parametrize(
    "metadata", [{}, {"expires": "soon"}, {"expires": 7}, {"expires": "2020-01-01T00:00:00"}]
)
def test_a_lease_that_says_nothing_is_held(node, metadata):
    put(node, 1, **metadata)
    with door(node) as cluster, pytest.raises(LeaseError) as caught:
        take(cluster)
    assert "held by an unnamed holder" in caught.value.why
    assert "lease break 1" in caught.value.hint


def test_what_a_lease_says_is_printable(node):
    put(node, 1, holder="e\x1b[31mve\n" * 200, run=["x"], expires=FUTURE)
    with door(node) as cluster:
        (seen,) = leases.list_leases(cluster, OWNER)
    assert seen.holder.isprintable()
    assert len(seen.holder) == 200
    assert seen.run == ""


def test_owners_whose_names_look_alike_are_apart(node):
    owners = ["a.b/c", "a/b", "a.b.1/c", "-/-", "a/c", "a.b/c1"]
    with door(node) as cluster:
        held_by = {owner: take(cluster, owner=owner) for owner in owners}
        for owner, holding in held_by.items():
            assert leases.list_leases(cluster, owner) == [holding.lease]
        assert len(names(node)) == len(owners)
        for holding in held_by.values():
            holding.release()


@pytest.mark.parametrize("metadata", [True, False], ids=["metadata", "a point"])
@pytest.mark.parametrize(
    "way", ["drop", "cut", "half", answer(500), answer(429)], ids=["drop", "cut", "half", 500, 429]
)
def test_every_request_may_fail_once(node, metadata, way, monkeypatch):
    """Whatever is cut on the way: it is held or it is not, and in the end nothing is left over."""
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.RETRY_PAUSE", 0.01)
    monkeypatch.setattr(held, "SETTLE_SECONDS", 0.01)
    number = 0
    while True:
        number += 1
        node.wipe()
        put(node, 1, id="old", holder="the dead", expires=PAST)
        fault = fails(number, way, metadata=metadata)
        with (
            proxied(node.http_port, fault) as proxy,
            RestClient(Endpoint(url=proxy.url)) as cluster,
        ):
            try:
                holding = take(cluster)
            except ClusterError as error:
                unclear = not metadata and f"PUT {path(2)} " in proxy.requests[number - 1]
                assert error.exit_code == 1, error.what
            else:
                unclear = False
                holding.release()
        left = [name for name in names(node) if "lease" in name]
        assert left in ([], ["_qdrantctl_lease.shop.prod.1"]) or unclear, (number, proxy.requests)
        if number > len(proxy.requests):
            break
    assert number > 10


def fails(number, way, *, metadata):
    """The request of this number goes wrong; a server without metadata says that it is older."""
    version = json.dumps({"title": "qdrant", "version": "1.15.3"}).encode()

    def fault(count, head):
        if not metadata and head.startswith(b"GET / "):
            return answer(200, version, "date: Mon, 23 Nov 2026 14:38:27 GMT")
        return way if count == number else None

    return fault


def test_a_server_without_metadata_keeps_it_in_a_point(node, short):
    fault = fails(0, None, metadata=False)
    with proxied(node.http_port, fault) as proxy, RestClient(Endpoint(url=proxy.url)) as cluster:
        holding = take(cluster)
        assert "metadata" not in node.request("GET", path(1))[1]["result"]["config"]
        assert leases.list_leases(cluster, OWNER) == [holding.lease]
        time.sleep(3)
        holding.confirm()
        with pytest.raises(LeaseError, match="another apply"):
            take(cluster, BOB)
        time.sleep(3)
        other = take(cluster, BOB)
        assert other.lease.number == 2
        with pytest.raises(LeaseError, match="taken over"):
            LeaseGuardedClient(cluster, holding).request(WRITE)
        holding.release()
        other.release()
    assert names(node) == []


def test_without_the_servers_clock_there_is_no_lease(node):
    listed = b'{"result":{"collections":[]},"status":"ok"}'

    def fault(_, head):
        if head.startswith(b"GET /collections "):
            return answer(200, listed)
        return answer(200, b'{"title":"qdrant","version":"1.16.3"}') if b"GET / " in head else None

    with (
        proxied(node.http_port, fault) as proxy,
        RestClient(Endpoint(url=proxy.url)) as cluster,
        pytest.raises(ClusterError, match="no Date header"),
    ):
        take(cluster)
    assert names(node) == []


def test_a_server_that_caps_every_collection_lets_it_be_held(fresh_qdrant):
    environ = {
        "QDRANT__STORAGE__COLLECTION__STRICT_MODE__ENABLED": "true",
        "QDRANT__STORAGE__COLLECTION__STRICT_MODE__WRITE_RATE_LIMIT": "1",
        "QDRANT__STORAGE__COLLECTION__STRICT_MODE__READ_RATE_LIMIT": "1",
    }
    with door(fresh_qdrant(environ=environ)) as cluster:
        holding = take(cluster)
        for _ in range(10):
            holding.confirm()
        holding.release()
