"""Whether anything may be removed by its age: one clock alone can be wrong by years. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from qdrantctl.model.snapshots.schedule import Schedule
from qdrantctl.model.snapshots.snapshot_set import SetInfo

BOUND = timedelta(minutes=10)
"""How far the clocks of the server, of the runner, and of the runs before may be apart."""
_MINUTES = "%Y-%m-%d %H:%M UTC"
_MISSED_RUNS = 3
_PAUSE = timedelta(days=1)


class Clocks(NamedTuple):
    """What two clocks say at one moment."""

    server: datetime
    runner: datetime


def clock_disagreement(clocks: Clocks, sets: Iterable[SetInfo], schedule: Schedule) -> str:
    """Why nothing may be removed by its age from a destination; empty where the clocks agree.

    The newest set counts as a third clock: no set is from the future, and before the time that
    is due now a set was taken not much longer ago than the schedule asks for. Where all runs were
    missed for longer, retention goes on once sets are taken again for two times.
    """
    server, runner = clocks
    if abs(server - runner) > BOUND:
        return (
            f"it is {server:{_MINUTES}} by the server's clock, "
            f"{runner:{_MINUTES}} by this machine's"
        )
    times = {each: each.taken for each in sets if each.taken}
    newest = max(times.values(), default=server)
    if newest > min(clocks) + BOUND:
        return f"it is {server:{_MINUTES}}, and the newest set is of {newest:{_MINUTES}}"
    earlier = [
        taken
        for each, taken in times.items()
        if each.state in ("complete", "bad") and _is_before(each, schedule)
    ]
    if earlier and server - max(earlier) > _longest_pause(schedule):
        return (
            f"it is {server:{_MINUTES}}, and the newest set before the one that is due now is of "
            f"{max(earlier):{_MINUTES}}"
        )
    return ""


def _is_before(each: SetInfo, schedule: Schedule) -> bool:
    """Whether a set was taken for an earlier time than the one that is due now."""
    return bool(each.scheduled and schedule.last and each.scheduled < schedule.last)


def _longest_pause(schedule: Schedule) -> timedelta:
    if schedule.last is None or schedule.next is None:
        return timedelta.max
    return _MISSED_RUNS * (schedule.next - schedule.last) + _PAUSE
