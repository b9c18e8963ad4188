"""The proof's own proof: the oracle finds nothing where nothing is wrong, and what is wrong."""

from __future__ import annotations

import time

import pytest

from tests.replacement.comparison import Window, compare
from tests.replacement.connection import Connection
from tests.replacement.naive import move_alias, replace_naively
from tests.replacement.points import (
    DELETE,
    PAYLOAD_INDEXES,
    SET_PAYLOAD,
    SHARD_KEYS,
    UPSERT,
    Operation,
    applied,
    id_of,
    number_of,
    whole_point,
)
from tests.replacement.workload import ALIAS, Oracle, collection_body, load_points
from tests.support.proxy import proxied

POINTS = 3000


@pytest.fixture
def server(empty_qdrant):
    """A connection to one node with a filled collection behind an alias."""
    connection = Connection([empty_qdrant.http_port])
    fill(connection)
    yield connection
    connection.close()


def fill(connection, sharded=False):
    sharding = {"sharding_method": "custom", "shard_number": 1} if sharded else {}
    connection.ask("PUT", "/collections/old", collection_body(**sharding))
    for key in SHARD_KEYS if sharded else ():
        connection.ask("PUT", "/collections/old/shards", {"shard_key": key})
    for field, schema in PAYLOAD_INDEXES.items():
        body = {"field_name": field, "field_schema": schema}
        connection.ask("PUT", "/collections/old/index?wait=true", body)
    load_points(connection, "old", POINTS, sharded)
    created = {"create_alias": {"alias_name": ALIAS, "collection_name": "old"}}
    connection.ask("POST", "/collections/aliases", {"actions": [created]})


@pytest.mark.parametrize("sharded", [False, True], ids=["by hash", "custom shard keys"])
def test_without_a_replacement_nothing_is_wrong(empty_qdrant, sharded):
    server = Connection([empty_qdrant.http_port])
    fill(server, sharded)
    oracle = Oracle(server.ports, POINTS, rate=400, sharded=sharded)
    with oracle.running():
        time.sleep(1.5)
    verdict = oracle.judge(server)
    assert verdict.is_right, verdict.describe()
    assert not oracle.errors
    counts = oracle.counts()
    assert counts["operations"] > 100
    assert len(counts["kinds"]) == 7
    assert counts["unknown"] == counts["read_errors"] == counts["read_empty"] == 0


def test_a_naive_replacement_loses_and_revives_points(server):
    oracle = Oracle(server.ports, POINTS, rate=400)
    with oracle.running():
        time.sleep(0.5)
        replace_naively(server, ALIAS, "old", "new", collection_body())
        time.sleep(0.5)
    verdict = oracle.judge(server)
    assert verdict.lost
    assert verdict.revived
    assert verdict.wrong
    assert "not one of" in verdict.describe()


def test_readers_notice_an_alias_that_is_away_or_leads_to_nothing(server):
    oracle = Oracle(server.ports, POINTS, rate=100)
    with oracle.running():
        time.sleep(0.3)
        server.ask("PUT", "/collections/empty", collection_body())
        move_alias(server, ALIAS, "empty")
        time.sleep(0.3)
        away = [{"delete_alias": {"alias_name": ALIAS}}]
        server.ask("POST", "/collections/aliases", {"actions": away})
        time.sleep(0.3)
    counts = oracle.counts()
    assert counts["read_empty"]
    assert counts["read_errors"]
    assert oracle.errors


def test_a_freeze_is_waited_for_and_measured(server):
    oracle = Oracle(server.ports, POINTS, rate=100)
    with oracle.running():
        time.sleep(0.5)
        for most in (0, 1_000_000):
            body = {"strict_mode_config": {"enabled": True, "upsert_max_batchsize": most}}
            server.ask("PATCH", "/collections/old", body)
            time.sleep(1)
    verdict = oracle.judge(server)
    assert verdict.is_right, verdict.describe()
    assert not oracle.errors
    assert 0.5 < oracle.counts()["refused"] < 5


def test_after_a_cut_connection_either_outcome_is_right(server, empty_qdrant):
    """Half of the cuts come before the server acts, half of them after."""

    def fault(count: int, head: bytes) -> str | None:
        is_write = b"wait=" in head.split(b"\r\n", 1)[0]
        return ("drop", "cut")[count % 2] if is_write and count % 7 == 0 else None

    with proxied(empty_qdrant.http_port, fault) as proxy:
        oracle = Oracle([proxy.port], POINTS, rate=100, reader_ports=server.ports)
        with oracle.running():
            time.sleep(1.5)
    verdict = oracle.judge(server)
    assert verdict.is_right, verdict.describe()
    counts = oracle.counts()
    assert counts["cuts"] > counts["unknown"] > 0
    assert not oracle.errors


def test_an_id_and_its_number_stand_for_each_other():
    ids = [id_of(number) for number in range(POINTS)]
    assert [number_of(point_id) for point_id in ids] == list(range(POINTS))
    assert {type(point_id) for point_id in ids} == {int, str}


class TestCompare:
    """One point, 0, with a switch at second 10 of a replacement from 0 to 20."""

    WINDOW = Window(began=0, before_switch=9.9, after_switch=10.1, ended=20)

    @staticmethod
    def operation(kind, version, at, acknowledged=True):
        return Operation(kind, (0,), version, at, at, acknowledged)

    def verdict(self, log, found, listed=()):
        live = {} if found is None else {0: found}
        return compare(1, log, live, listed, [self.WINDOW])

    def test_what_is_missing_is_lost(self):
        log = [self.operation(UPSERT, 6, 1)]
        assert self.verdict(log, None).lost == [0]
        assert self.verdict(log, whole_point(0, 6)).is_right

    def test_what_was_deleted_is_revived(self):
        log = [self.operation(DELETE, 6, 1)]
        assert self.verdict(log, whole_point(0, 0)).revived == [0]
        assert self.verdict(log, None).is_right

    def test_points_of_others_are_revived(self):
        verdict = compare(0, [], {12345: whole_point(12345, 0)})
        assert verdict.revived == [12345]

    def test_older_content_is_wrong(self):
        log = [self.operation(UPSERT, 6, 1), self.operation(SET_PAYLOAD, 12, 2)]
        assert self.verdict(log, whole_point(0, 6)).wrong == [0]

    def test_an_unknown_outcome_allows_both(self):
        log = [self.operation(UPSERT, 6, 1), self.operation(DELETE, 12, 2, acknowledged=False)]
        assert self.verdict(log, None).is_right
        assert self.verdict(log, whole_point(0, 6)).is_right
        assert self.verdict(log, whole_point(0, 0)).wrong == [0]

    def test_a_conflict_may_lack_what_is_older(self):
        log = [self.operation(SET_PAYLOAD, 6, 5), self.operation("delete payload", 12, 15)]
        newer_only = applied(log[1], 0, whole_point(0, 0))
        assert self.verdict(log, newer_only).wrong == [0]
        verdict = self.verdict(log, newer_only, listed=[id_of(0)])
        assert (verdict.conflicts, verdict.is_right) == ([0], True)

    def test_a_conflict_may_not_lack_what_is_newer(self):
        log = [self.operation(SET_PAYLOAD, 6, 5), self.operation(SET_PAYLOAD, 12, 15)]
        older_only = applied(log[0], 0, whole_point(0, 0))
        assert self.verdict(log, older_only, listed=[id_of(0)]).wrong == [0]

    def test_only_changes_on_both_sides_are_conflicts(self):
        log = [self.operation(SET_PAYLOAD, 6, 5), self.operation(SET_PAYLOAD, 12, 6)]
        whole = applied(log[1], 0, applied(log[0], 0, whole_point(0, 0)))
        assert self.verdict(log, whole, listed=[id_of(0)]).listed_wrongly == [0]
