"""Cron expressions: when a schedule last was due. Pure, with the time as an argument.

The standard library has no cron, and both the spec of a policy and the engine need one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_LONGEST = 8 * 366 + 1
"""Days between two 29ths of February, at the most."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule of five fields, read."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Both days are restricted, so that either is enough, as cron has it."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read `0 3 * * *` or `@daily`. Raises ValueError saying what is wrong with it."""
        words = _MACROS.get(text.strip().lower(), text).split()
        if len(words) != len(_FIELDS):
            raise ValueError(f"a schedule has {len(_FIELDS)} fields, not {len(words)}")
        found = [_field(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = found
        made = cls(
            tuple(sorted(minutes, reverse=True)),
            tuple(sorted(hours, reverse=True)),
            days,
            months,
            frozenset(day % 7 for day in weekdays),
            not (words[2].startswith("*") or words[4].startswith("*")),
        )
        if made.latest(datetime(2028, 3, 1, tzinfo=UTC), UTC) is None:
            raise ValueError("no day of any year is one of its days")
        return made

    def latest(self, now: datetime, zone: tzinfo) -> datetime | None:
        """The last time that was due, `now` included, as UTC; None where there is none."""
        local = now.astimezone(zone)
        for back in range(-1, _LONGEST):
            day = (local - timedelta(days=back)).date()
            if not self._on(day.month, day.day, day.isoweekday() % 7):
                continue
            # Where clocks are put back or forth the order of local times is not that of time.
            times = [
                datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
                for hour in self.hours
                for minute in self.minutes
                for fold in self._folds
            ]
            if past := [t for each in times if (t := each.astimezone(UTC)) <= now]:
                return max(past)
        return None

    @property
    def _folds(self) -> tuple[int, ...]:
        """An hour that comes twice counts twice for what runs every hour, else once."""
        return (0, 1) if len(self.hours) == _FIELDS[1][2] + 1 else (0,)

    def _on(self, month: int, day: int, weekday: int) -> bool:
        if month not in self.months:
            return False
        if self.either:
            return day in self.days or weekday in self.weekdays
        return day in self.days and weekday in self.weekdays


def zone(name: str) -> tzinfo:
    """A time zone by its name. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}") from None


def _field(text: str, what: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step)):
            raise ValueError(f"{part!r} is no step of a {what}")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else _number(first, what, names)
        end = _number(last, what, names) if dash else high if slash or span == "*" else begin
        if not low <= begin <= end <= high:
            raise ValueError(f"{part!r} is not within {low}-{high}, as a {what} is")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(word: str, what: str, names: dict[str, int]) -> int:
    if word.isascii() and word.isdecimal():
        return int(word)
    if word in names:
        return names[word]
    raise ValueError(f"{word!r} is not a {what}")
