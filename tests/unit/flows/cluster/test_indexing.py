"""Which status ends a wait: the answers are those of 1.19.0 after a PATCH and after a restart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from qdrantctl.flows.cluster import indexing
from qdrantctl.flows.cluster.indexing import IndexState, wait_for_index, wait_until_indexed
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model.address import Address
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

C = Address("collection", "a b")


@dataclass
class Statuses:
    """A client that reports one status after the other; the last one stays."""

    statuses: list[str]
    server: Server
    reads: int = 0

    def request(self, _: Call) -> dict[str, object]:
        self.reads += 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": status, "indexed_vectors_count": 5, "points_count": 5}


def client(version: tuple[int, int, int], *statuses: str) -> Statuses:
    return Statuses(list(statuses), Server(Version(*version), "http://x"))


def wait(asked: Statuses, timeout: float = 5.0) -> list[IndexState]:
    return wait_until_indexed(asked, [C], timeout, lambda _: None, lambda: False)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(indexing, "PATCH_LAG", 0.1)
    monkeypatch.setattr(indexing, "POLL", 0.001)


@pytest.mark.parametrize("first", ["green", "grey"])
@pytest.mark.parametrize("timeout", [0.0, 5.0])
def test_what_is_seen_before_the_optimizers_know_of_a_change_is_not_believed(first, timeout):
    asked = client((1, 19, 0), first, first, "yellow", "green")
    assert wait(asked, timeout) == []
    assert asked.statuses == ["green"]


def test_older_servers_are_believed_at_once():
    asked = client((1, 16, 3), "green", "yellow")
    assert wait(asked) == []
    assert asked.reads == 1


@pytest.mark.parametrize("version", [(1, 16, 3), (1, 19, 0)])
def test_grey_ends_the_wait_and_says_what_helps(version):
    (state,) = wait(client(version, "grey"), timeout=600)
    assert state.describe(600) == (
        "collection/a b is grey, not green: it was not optimized since the server started, and "
        'waits for its next write. PATCH /collections/a%20b with {"hnsw_config": {}} changes no '
        "setting and starts the optimizer."
    )


def test_a_restore_does_not_hang_on_grey():
    job = JobContext(client((1, 19, 0), "grey"), print, lambda: False, wait_timeout=600)
    assert "starts the optimizer" in wait_for_index(job, C).obstacle


def test_one_moment_is_enough_for_many_collections():
    asked = client((1, 19, 0), "green")
    many = [Address("collection", str(number)) for number in range(50)]
    assert wait_until_indexed(asked, many, 5, lambda _: None, lambda: False) == []
    assert asked.reads < 49 + 110
