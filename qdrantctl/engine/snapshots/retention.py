"""Which sets are kept, each with the rules that keep it, as in restic. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from qdrantctl.model.duration import parse_duration
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.schedule import CLOCK_SKEW
from qdrantctl.model.snapshots.snapshot_set import SetInfo

LAST_GOOD, LAST_VERIFIED, LAST_FILLED = "last good", "last verified", "last with points"
TOO_NEW = "ahead of the clock"
"""Why a set stays that is dated in the future: a clock was or is wrong."""
ELSEWHERE = "taken at another address"
"""Why a set stays that was taken at another address: this cluster may be a copy of that one."""
NEWEST = "newest"
"""Why an unfinished set stays."""

_PERIODS: dict[str, Callable[[datetime], Any]] = {
    "keep_last": lambda _: object(),
    "keep_hourly": lambda when: (when.date(), when.hour, when.utcoffset()),
    "keep_daily": lambda when: when.date(),
    "keep_weekly": lambda when: when.isocalendar()[:2],
    "keep_monthly": lambda when: (when.year, when.month),
    "keep_yearly": lambda when: when.year,
}


def apply_retention(
    sets: Collection[SetInfo], retention: Mapping[str, Json], zone: tzinfo, now: datetime
) -> dict[str, tuple[str, ...]]:
    """The folders of the complete sets that stay, with the rules that keep them.

    The newest set always stays, at any age, and so does the newest with points: sets of an emptied
    collection never expire it. Up to max_age the newest verified set stays, since it is known to
    be restorable.
    """
    times = {snapshot_set.folder: snapshot_set.taken for snapshot_set in sets if snapshot_set.taken}
    verified = {
        snapshot_set.folder
        for snapshot_set in sets
        if snapshot_set.verified and snapshot_set.verified.good
    }
    filled = {snapshot_set.folder for snapshot_set in sets if snapshot_set.has_points}
    ordered = sorted(times, key=lambda folder: (times[folder], folder), reverse=True)
    reasons: dict[str, list[str]] = {folder: [] for folder in ordered}
    for rule, period in _PERIODS.items():
        remaining, previous = retention.get(rule) or 0, object()
        for folder in ordered:
            current = period(times[folder].astimezone(zone))
            oldest = folder == ordered[-1]
            if remaining and (current != previous or oldest):
                # A rule with fewer sets than it keeps also keeps the oldest.
                reasons[folder].append(rule if current != previous else f"{rule} (oldest)")
                previous, remaining = current, remaining - 1
    for folder in [folder for folder in ordered if folder in verified][:1]:
        reasons[folder].append(LAST_VERIFIED)
    if age := retention.get("max_age"):
        for folder in ordered:
            if times[folder] < now - parse_duration(age):
                reasons[folder].clear()
    with_points = [folder for folder in ordered if folder in filled]
    for folders, reason in ((ordered, LAST_GOOD), (with_points, LAST_FILLED)):
        if folders and not reasons[folders[0]]:
            reasons[folders[0]].append(reason)
    return {folder: tuple(why) for folder, why in reasons.items() if why}


def with_retention(
    sets: Iterable[SetInfo], retention: Mapping[str, Json], zone: tzinfo, now: datetime
) -> list[SetInfo]:
    """The sets of one destination with the rules that keep them, each collection separately.

    `sets` are ordered by age, the oldest first. No rule counts sets dated in the future; they come
    before the oldest. They stay, because it may be today's clock that is wrong.
    """
    groups: dict[str, list[SetInfo]] = {}
    for snapshot_set in sets:
        groups.setdefault(snapshot_set.collection, []).append(snapshot_set)
    marked = (_keep_group(group, retention, zone, now) for group in groups.values())
    return [snapshot_set for group in marked for snapshot_set in group]


def _keep_group(
    group: list[SetInfo], retention: Mapping[str, Json], zone: tzinfo, now: datetime
) -> list[SetInfo]:
    """The sets of one collection with the rules that keep them."""
    ahead = {
        snapshot_set.folder
        for snapshot_set in group
        if snapshot_set.taken and snapshot_set.taken > now + CLOCK_SKEW
    }
    group = sorted(group, key=lambda snapshot_set: snapshot_set.folder not in ahead)
    complete = [snapshot_set for snapshot_set in group if snapshot_set.state == "complete"]
    counted = [snapshot_set for snapshot_set in complete if snapshot_set.folder not in ahead]
    rules = apply_retention(counted, retention, zone, now)
    rules |= {
        snapshot_set.folder: (TOO_NEW,) for snapshot_set in complete if snapshot_set.folder in ahead
    }
    newest = [
        snapshot_set for snapshot_set in group if snapshot_set.state in ("complete", "unfinished")
    ][-1:]
    # An unfinished set expires once a newer one was started.
    rules |= {
        snapshot_set.folder: (NEWEST,)
        for snapshot_set in newest
        if snapshot_set.state == "unfinished"
    }
    rules |= {
        snapshot_set.folder: (ELSEWHERE,)
        for snapshot_set in group
        if snapshot_set.taken_elsewhere and snapshot_set.folder not in rules
    }
    return [
        replace(snapshot_set, kept_by=rules.get(snapshot_set.folder, ())) for snapshot_set in group
    ]


def expired_sets(sets: Iterable[SetInfo]) -> list[SetInfo]:
    """Sets that no rule keeps, and sets whose removal has started."""
    return [
        snapshot_set
        for snapshot_set in sets
        if snapshot_set.state in ("complete", "unfinished", "leaving") and not snapshot_set.kept_by
    ]
