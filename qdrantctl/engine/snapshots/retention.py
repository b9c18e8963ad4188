"""Which sets are kept, each with the rules that keep it. Pure, and as restic has it."""

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
"""Why a set stays that was dated by a clock that was wrong, or is."""
ELSEWHERE = "taken at another address"
"""Why a set stays that was taken when the cluster was reached elsewhere: this may be a copy."""
NEWEST = "newest"
"""Why a set stays that is still to be finished."""

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
    """The folders of those of these complete sets that stay, with the rules that keep them.

    The newest always stays, whatever its age, and so does the newest with points: sets of a
    collection that was emptied never push it out. Up to max_age the newest of those that were
    verified stays, since it is the one of which something is known.
    """
    times = {each.folder: each.taken for each in sets if each.taken}
    verified = {each.folder for each in sets if each.verified and each.verified.good}
    filled = {each.folder for each in sets if each.has_points}
    ordered = sorted(times, key=lambda folder: (times[folder], folder), reverse=True)
    reasons: dict[str, list[str]] = {folder: [] for folder in ordered}
    for rule, period in _PERIODS.items():
        remaining, last = retention.get(rule) or 0, object()
        for folder in ordered:
            current = period(times[folder].astimezone(zone))
            oldest = folder == ordered[-1]
            if remaining and (current != last or oldest):
                # While a rule has not found as many as it asks for it keeps the oldest, too.
                reasons[folder].append(rule if current != last else f"{rule} (oldest)")
                last, remaining = current, remaining - 1
    for folder in [folder for folder in ordered if folder in verified][:1]:
        reasons[folder].append(LAST_VERIFIED)
    if age := retention.get("max_age"):
        for folder in ordered:
            if times[folder] < now - parse_duration(age):
                reasons[folder].clear()
    with_points = [folder for folder in ordered if folder in filled]
    for folders, word in ((ordered, LAST_GOOD), (with_points, LAST_FILLED)):
        if folders and not reasons[folders[0]]:
            reasons[folders[0]].append(word)
    return {folder: tuple(why) for folder, why in reasons.items() if why}


def with_retention(
    sets: Iterable[SetInfo], retention: Mapping[str, Json], zone: tzinfo, now: datetime
) -> list[SetInfo]:
    """The sets of one destination with the rules that keep them, each collection by itself.

    `sets` are ordered by age, the oldest first. Those from ahead of the clock are counted by no
    rule and come before the oldest. They stay: it may be today's clock that is wrong.
    """
    groups: dict[str, list[SetInfo]] = {}
    for each in sets:
        groups.setdefault(each.collection, []).append(each)
    kept = (_keep_group(group, retention, zone, now) for group in groups.values())
    return [each for group in kept for each in group]


def _keep_group(
    group: list[SetInfo], retention: Mapping[str, Json], zone: tzinfo, now: datetime
) -> list[SetInfo]:
    """The sets of one collection with the rules that keep them."""
    ahead = {each.folder for each in group if each.taken and each.taken > now + CLOCK_SKEW}
    group = sorted(group, key=lambda each: each.folder not in ahead)
    complete = [each for each in group if each.state == "complete"]
    counted = [each for each in complete if each.folder not in ahead]
    rules = apply_retention(counted, retention, zone, now)
    rules |= {each.folder: (TOO_NEW,) for each in complete if each.folder in ahead}
    last = [each for each in group if each.state in ("complete", "unfinished")][-1:]
    # What could not be finished gives way to what was begun after it.
    rules |= {each.folder: (NEWEST,) for each in last if each.state == "unfinished"}
    rules |= {
        each.folder: (ELSEWHERE,)
        for each in group
        if each.taken_elsewhere and each.folder not in rules
    }
    return [replace(each, kept_by=rules.get(each.folder, ())) for each in group]


def expired_sets(sets: Iterable[SetInfo]) -> list[SetInfo]:
    """What no rule keeps, what gave way to a newer set, and what is being removed already."""
    return [
        each
        for each in sets
        if each.state in ("complete", "unfinished", "leaving") and not each.kept_by
    ]
