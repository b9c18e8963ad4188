"""Whether a policy is due. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from qdrantctl.model.cron import Cron, zone
from qdrantctl.model.rule import Json

AHEAD = timedelta(days=1)
"""What is further ahead than that was written by a clock that was wrong, and counts for nothing."""


def due(policy: Mapping[str, Json], taken: Iterable[datetime], now: datetime) -> datetime | None:
    """The time that is due and for which nothing was taken; None where nothing is due.

    `taken` are the times for which snapshots were taken. Of times that were missed only the last
    is caught up.
    """
    last = Cron.parse(policy["schedule"]).latest(now, zone(policy["timezone"]))
    if last is None or any(last <= each <= now + AHEAD for each in taken):
        return None
    return last
