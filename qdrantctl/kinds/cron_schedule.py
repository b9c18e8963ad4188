"""When a policy's schedule was due last. The door to cronsim, which knows what cron means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.schedule import Schedule

FIELDS = 5
_SOME_DAY = datetime(2028, 3, 1, tzinfo=UTC)


class NoTimeZonesError(ValueError):
    """This machine has no time zone database, so no name is right or wrong."""


def check_schedule(text: str) -> None:
    """Read a schedule as `0 3 * * *`. Raises ValueError saying what is wrong with it."""
    fields = text.split()
    if len(fields) != FIELDS:
        raise ValueError(f"a schedule has {FIELDS} fields, not {len(fields)}")
    if latest_due(text, UTC, _SOME_DAY) is None:
        raise ValueError("it matches no date of any year")


def latest_due(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """The last time that was due, `now` included, as UTC; None where there is none.

    Raises ValueError for what is no schedule.
    """
    from cronsim import CronSim, CronSimError

    # It goes backwards from a time, and leaves that out.
    after = now.replace(microsecond=0) + timedelta(seconds=1)
    try:
        due = next(CronSim(text, after.astimezone(zone), reverse=True), None)
    except CronSimError as error:
        raise ValueError(f"{text!r} is no schedule: {error}") from None
    return due and due.astimezone(UTC)


def schedule_at(policy: Mapping[str, Json], now: datetime) -> Schedule:
    """When a policy was and will be due, seen from `now`."""
    from cronsim import CronSim

    cron, local = policy["schedule"], load_time_zone(policy["timezone"])
    after = next(CronSim(cron, now.astimezone(local)), None)
    return Schedule(latest_due(cron, local, now), after and after.astimezone(UTC), local)


def load_time_zone(name: str) -> tzinfo:
    """A time zone by its name. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        if not available_timezones():
            raise NoTimeZonesError(
                f"the time zone {name!r} cannot be looked up: there is no time zone database"
            ) from None
        raise ValueError(f"there is no time zone {name!r}") from None
