"""When a policy's schedule was due last. The adapter of cronsim, which parses cron."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.schedule import Schedule

FIELDS = 5
_SOME_DAY = datetime(2028, 3, 1, tzinfo=UTC)


class NoTimeZonesError(ValueError):
    """This machine has no time zone database, so no name can be checked."""


def check_schedule(text: str) -> None:
    """Check a schedule such as `0 3 * * *`. Raises ValueError with the reason."""
    fields = text.split()
    if len(fields) != FIELDS:
        raise ValueError(f"a schedule has {FIELDS} fields, not {len(fields)}")
    if latest_due(text, UTC, _SOME_DAY) is None:
        raise ValueError("it matches no date of any year")


def latest_due(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """The last due time up to and including `now`, as UTC; None if there is no such time.

    Raises ValueError for an invalid schedule.
    """
    from cronsim import CronSim, CronSimError

    # The library searches backwards from a time, and excludes that time.
    after = now.replace(microsecond=0) + timedelta(seconds=1)
    try:
        due = next(CronSim(text, after.astimezone(zone), reverse=True), None)
    except CronSimError as error:
        raise ValueError(f"{text!r} is no schedule: {error}") from None
    return due and due.astimezone(UTC)


def schedule_at(policy: Mapping[str, Json], now: datetime) -> Schedule:
    """When a policy was last due and is next due, relative to `now`."""
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
