"""Retention and schedules, beside what others make of the same rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from qdrantctl.engine.snapshots.retention import LAST_FILLED, LAST_GOOD, apply_retention
from qdrantctl.kinds.cron_schedule import check_schedule, latest_due, schedule_at
from qdrantctl.model.snapshots.snapshot_set import SetInfo, VerificationResult

RULES = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ages = st.lists(st.integers(-60, 60 * 24 * 900), unique=True, max_size=40)
counts = st.dictionaries(st.sampled_from(RULES), st.integers(1, 12), min_size=1)


def made(minutes: list[int]) -> dict[str, datetime]:
    return {str(age): NOW - timedelta(minutes=age) for age in minutes}


def kept(
    times: dict[str, datetime],
    retention: dict[str, Any],
    zone: tzinfo,
    now: datetime,
    verified: Collection[str] = (),
    filled: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """What retention keeps of complete sets of these times."""
    good = VerificationResult(when=now, good=True, server="1.16.3")
    sets = [
        SetInfo(
            folder=name,
            state="complete",
            taken=taken,
            has_points=name in filled,
            verified=good if name in verified else None,
        )
        for name, taken in times.items()
    ]
    return apply_retention(sets, retention, zone, now)


@given(ages, counts, st.none() | st.integers(1, 900), st.sampled_from([UTC, BERLIN]), st.data())
@settings(deadline=None)
def test_what_holds_of_every_retention(minutes, rules, days, zone, data):
    times = made(minutes)
    retention = rules | ({"max_age": f"{days}d"} if days else {})
    filled = data.draw(st.sets(st.sampled_from(sorted(times)))) if times else set()
    found = kept(times, retention, zone, NOW, (), filled)
    assert all(found.values())
    for those in (times, filled):
        if those:
            assert max(those, key=lambda name: times[name]) in found
    for rule in RULES:
        by_it = [name for name, why in found.items() if rule in why]
        assert len(by_it) <= retention.get(rule, 0)
    if days:
        old = [name for name in found if times[name] < NOW - timedelta(days=days)]
        assert all(found[name] in ((LAST_GOOD,), (LAST_FILLED,)) for name in old)
        assert len(old) <= 2
    again = kept({name: times[name] for name in found}, retention, zone, NOW, (), filled)
    assert again.keys() == found.keys()
    more = {name: count + 1 for name, count in rules.items()}
    assert found.keys() <= kept(times, retention | more, zone, NOW, (), filled).keys()


def test_the_last_that_was_verified_stays_up_to_max_age():
    times = {str(days): NOW - timedelta(days=days) for days in range(9)}
    found = kept(times, {"keep_last": 1}, UTC, NOW, {"5", "8"})
    assert found == {"0": ("keep_last",), "5": ("last verified",)}
    aged = kept(times, {"keep_last": 1, "max_age": "4d"}, UTC, NOW, {"5", "8"})
    assert aged == {"0": ("keep_last",)}


def test_the_last_with_points_stays_whatever_comes_after_it():
    times = {str(days): NOW - timedelta(days=days) for days in range(9)}
    found = kept(times, {"keep_last": 1, "max_age": "4d"}, UTC, NOW, (), {"5", "8"})
    assert found == {"0": ("keep_last",), "5": ("last with points",)}
    found = kept(times, {"keep_last": 1}, UTC, NOW, (), {"0", "5"})
    assert found == {"0": ("keep_last",)}


def test_a_year_of_days():
    times = {f"{NOW - timedelta(days=i):%F}": NOW - timedelta(days=i) for i in range(365)}
    rules = {"keep_last": 3, "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 6}
    found = kept(times, rules, UTC, NOW)
    assert found["2026-11-25"] == ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
    assert found["2026-11-19"] == ("keep_daily",)
    assert found["2026-11-15"] == ("keep_weekly",)
    assert found["2026-06-30"] == ("keep_monthly",)
    # 7 days, of them 22nd is a week's end; 2 weeks and 5 months more
    assert len(found) == 7 + 2 + 5


CRONS = ["* * * * *", "0 3 * * *", "*/15 2-4 * * 1-5", "5,35 */6 1,15 * *", "0 0 29 2 *",
         "0 12 13 * fri", "30 4 1-7 jan-mar sun", "0 0 * * 7"]  # fmt: skip


@given(st.sampled_from(CRONS), st.integers(0, 3 * 366 * 24 * 60), st.integers(0, 59))
@settings(deadline=None)
def test_the_last_time_is_due_and_none_came_after_it(text, minutes, seconds):
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes, seconds=seconds)
    last = latest_due(text, UTC, now)
    assert last is not None
    assert last <= now < next(CronSim(text, last))
    assert next(CronSim(text, last - timedelta(seconds=1))) == last


@pytest.mark.parametrize(
    ("text", "now", "last"),
    [
        # Clocks went forward on March 29 at 2: what was to run at 2:30 does so at once.
        ("30 2 * * *", "2026-03-29T00:59", "2026-03-28T01:30"),
        ("30 2 * * *", "2026-03-29T01:00", "2026-03-29T01:00"),
        # They go back on October 25 at 3: 2:30 comes twice, and counts once.
        ("30 2 * * *", "2026-10-25T01:45", "2026-10-25T00:30"),
        ("30 * * * *", "2026-10-25T01:45", "2026-10-25T01:30"),
    ],
)
def test_clocks_that_are_put_forth_and_back(text, now, last):
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert latest_due(text, BERLIN, at) == datetime.fromisoformat(last).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
     "5-1 * * * *", "*/0 * * * *", "0 0 30 2 *", "@often", "0 0 \u0661 * *"],
)  # fmt: skip
def test_what_is_no_schedule(text):
    with pytest.raises(ValueError, match=r"."):
        check_schedule(text)


def due(policy: dict[str, str], taken: Iterable[datetime], now: datetime) -> datetime | None:
    return schedule_at(policy, now).due_time(taken, now)


def test_what_is_due():
    policy = {"schedule": "0 3 * * *", "timezone": "UTC"}
    slot = datetime(2026, 11, 25, 3, tzinfo=UTC)
    day = timedelta(days=1)
    assert due(policy, [], NOW) == slot
    assert due(policy, [slot], NOW) is None
    # Missed for a week: caught up once.
    assert due(policy, [slot - 7 * day], NOW) == slot
    assert due(policy, [slot], NOW + day) == slot + day
    # The clock stepped back by an hour, or was a year ahead once.
    assert due(policy, [slot, slot - day], slot - day / 24) is None
    assert due(policy, [slot + 365 * day], NOW) == slot
