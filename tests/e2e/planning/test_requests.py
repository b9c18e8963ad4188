"""How many requests a command sends, and how many round trips they take: both are exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.delay_proxy import DelayProxy, delay_proxy
from tests.support.project import VECTORS, Project

ROUND_TRIP = 0.15
"""Seconds: far more than opening a connection takes on a busy machine."""
STATE = {
    "GET /": 1,
    "GET /cluster": 1,
    "POST /collections/_qdrantctl/points/scroll": 1,
    "GET /aliases": 1,
    "GET /telemetry": 1,
}
LISTS = {"GET /collections": 2}
"""One is part of the state, one tells whether an apply is running."""


@pytest.fixture
def far(fresh_qdrant, tmp_path) -> Iterator[tuple[Project, DelayProxy]]:
    """A project of five collections, two of them with an index, on a server that is far."""
    node = fresh_qdrant()
    project = Project(tmp_path)
    plain, indexed = {"vectors": VECTORS}, {"vectors": VECTORS, "payload_indexes": {"a": "keyword"}}
    project.states({f"c{n}": indexed if n % 2 else plain for n in range(5)})
    assert project.run(node, "apply", "--auto-approve").code == 0
    with delay_proxy(node.url, ROUND_TRIP) as proxy:
        yield project, proxy


def test_a_plan_of_five_takes_six_round_trips(far):
    project, proxy = far
    plan = project.plan(proxy.url)
    assert plan.code == 0
    assert proxy.counts == STATE | LISTS | {f"GET /collections/c{n}": 1 for n in (1, 3)}
    assert proxy.round_trips == 6
    assert proxy.connections == 6


def test_drift_of_five_takes_seven_round_trips(far):
    project, proxy = far
    assert project.run(proxy.url, "drift").code == 0
    assert proxy.counts == STATE | LISTS | {f"GET /collections/c{n}": 1 for n in range(5)}
    assert proxy.round_trips == 7


def test_validate_sends_nothing(far):
    project, proxy = far
    assert project.run(proxy.url, "validate").code == 0
    assert not proxy.connections
