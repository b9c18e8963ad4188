"""Which status ends a wait: the answers are those of 1.19.0 after a PATCH and after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from qdrantctl.flows.cluster import indexing
from qdrantctl.flows.cluster.indexing import IndexState, wait_for_index, wait_until_indexed
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.model import polling
from qdrantctl.model.address import Address
from qdrantctl.model.object_names import SAME_NAMES
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

C = Address("collection", "a b")


@dataclass
class Clock:
    """A clock that only sleeping moves on."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Statuses:
    """A client that reports each status from a moment on; `reads` are the moments of the reads."""

    clock: Clock
    since: Mapping[float, str]
    server: Server
    reads: list[float] = field(default_factory=list)

    def request(self, _: Call) -> dict[str, object]:
        self.reads.append(self.clock.now)
        latest = max(moment for moment in self.since if moment <= self.clock.now)
        return {"status": self.since[latest], "indexed_vectors_count": 5, "points_count": 5}


@pytest.fixture
def server(monkeypatch):
    """A server of a version that reports a status from each moment on."""
    clock = Clock()
    monkeypatch.setattr(indexing, "time", clock)
    monkeypatch.setattr(polling, "time", clock)

    def make(version: tuple[int, int, int], since: Mapping[float, str]) -> Statuses:
        return Statuses(clock, since, Server(Version(*version), "http://x"))

    return make


def wait(asked: Statuses, timeout: float = 600, *addresses: Address) -> list[IndexState]:
    return wait_until_indexed(
        asked, [*addresses] or [C], SAME_NAMES, timeout, lambda _: None, lambda: False
    )


@pytest.mark.parametrize("first", ["green", "grey"])
def test_what_is_seen_before_the_optimizers_know_of_a_change_is_not_believed(server, first):
    asked = server((1, 18, 1), {0: first, 0.5: "yellow", 5: "green"})
    assert wait(asked) == []
    assert asked.reads[-1] >= 5


@pytest.mark.parametrize("first", ["green", "grey"])
def test_a_wait_of_no_time_looks_once_more_before_it_believes(server, first):
    (state,) = wait(server((1, 19, 0), {0: first, 0.5: "yellow"}), 0)
    assert state.status == "yellow"


def test_older_servers_are_believed_at_once(server):
    asked = server((1, 18, 0), {0: "green", 0.5: "yellow"})
    assert wait(asked) == []
    assert asked.reads == [0]


@pytest.mark.parametrize("version", [(1, 16, 3), (1, 19, 0)])
def test_grey_ends_the_wait_and_says_what_helps(server, version):
    asked = server(version, {0: "grey"})
    (state,) = wait(asked)
    assert asked.reads[-1] < 2
    assert state.describe(600) == (
        "collection/a b is grey, not green: it was not optimized since the server started, and "
        'waits for its next write. PATCH /collections/a%20b with {"hnsw_config": {}} changes no '
        "setting and starts the optimizer."
    )


def test_a_restore_does_not_hang_on_grey(server):
    job = JobContext(server((1, 19, 0), {0: "grey"}), print, lambda: False, wait_timeout=600)
    assert "starts the optimizer" in wait_for_index(job, C, C.name).obstacle


def test_one_moment_is_enough_for_many_collections(server):
    asked = server((1, 19, 0), {0: "green"})
    assert wait(asked, 5, *(Address("collection", str(number)) for number in range(50))) == []
    assert asked.reads[-1] < 2
