"""When a policy is due: the last and next times of its cron expression."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from qdrantctl.model.frozen import frozen

CLOCK_SKEW = timedelta(days=1)
"""Dates further in the future come from a wrong clock and are ignored."""


@frozen
class Schedule:
    """A policy's schedule at a given time."""

    last: datetime | None
    """The last due time, the given time included, as UTC; None if there is none."""
    next: datetime | None
    """The next due time, as UTC; None if there is none."""
    zone: tzinfo
    """The time zone in which days, weeks and months are counted."""

    def due_time(self, scheduled: Iterable[datetime], now: datetime) -> datetime | None:
        """The due time for which no snapshot was taken; None if there is none.

        `scheduled` are the times for which snapshots were taken. After several missed times only
        the last one is due.
        """
        if self.last is None or any(self.last <= time <= now + CLOCK_SKEW for time in scheduled):
            return None
        return self.last
