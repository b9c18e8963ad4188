"""Nothing is removed by its age unless three clocks agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from qdrantctl.engine.snapshots.clocks import Clocks, clock_disagreement
from qdrantctl.model.snapshots.schedule import Schedule
from tests.support.snapshot_sets import DAY, DUE, NOW, set_info

NIGHTLY = Schedule(DUE, DUE + DAY, UTC)
YEARS = timedelta(days=400)


@pytest.mark.parametrize(
    ("server", "runner", "ages", "said"),
    [
        (NOW, NOW, [1.4, 0.4], ""),
        (NOW, NOW + timedelta(minutes=9), [1.4, 0.4], ""),
        (NOW + YEARS, NOW, [1.4, 0.4], "by the server's clock"),
        (NOW, NOW - timedelta(minutes=11), [1.4, 0.4], "by this machine's"),
        (NOW, NOW, [1.4, -1], "the newest set is of 2026-11-26 12:00 UTC"),
        # The set that such a run has taken itself shows nothing.
        (NOW, NOW, [400, 399, 0.1], "the newest set before the one that is due now is of"),
        (NOW, NOW, [3.4, 0.1], ""),
        (NOW, NOW, [0.1], ""),
        (NOW, NOW, [], ""),
    ],
)
def test_clocks(server: datetime, runner: datetime, ages: list[float], said: str):
    sets = [set_info(age) for age in ages]
    reason = clock_disagreement(Clocks(server, runner), sets, NIGHTLY)
    assert said in reason
    assert bool(reason) == bool(said)
