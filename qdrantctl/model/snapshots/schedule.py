"""When a policy is due: the times that its cron expression comes to at one moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

CLOCK_SKEW = timedelta(days=1)
"""What is dated further ahead was dated by a clock that was wrong, and counts for nothing."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A policy's schedule as it is at one moment."""

    last: datetime | None
    """The last time that was due, that moment included, as UTC; None where there is none."""
    next: datetime | None
    """The next time that will be due, as UTC; None where none is left."""
    zone: tzinfo
    """In which days, weeks and months are counted."""

    def due_time(self, scheduled: Iterable[datetime], now: datetime) -> datetime | None:
        """The time that is due and for which no snapshot was taken; None where nothing is due.

        `scheduled` are the times for which snapshots were taken. Of times that were missed only the
        last is caught up.
        """
        if self.last is None or any(self.last <= time <= now + CLOCK_SKEW for time in scheduled):
            return None
        return self.last
