"""Which snapshots are kept, each with the rules that keep it. Pure, and as restic has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, tzinfo
from typing import Any

from qdrantctl.model.duration import length
from qdrantctl.model.field_rule import Json

LAST_GOOD, LAST_VERIFIED, LAST_FILLED = "last good", "last verified", "last with points"

_PERIODS: dict[str, Callable[[datetime], Any]] = {
    "keep_last": lambda _: object(),
    "keep_hourly": lambda when: (when.date(), when.hour, when.utcoffset()),
    "keep_daily": lambda when: when.date(),
    "keep_weekly": lambda when: when.isocalendar()[:2],
    "keep_monthly": lambda when: (when.year, when.month),
    "keep_yearly": lambda when: when.year,
}


def kept(
    times: Mapping[str, datetime],
    retention: Mapping[str, Json],
    zone: tzinfo,
    now: datetime,
    verified: Collection[str] = (),
    filled: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """The snapshots that stay, of these good ones, with the rules that keep them.

    The newest always stays, whatever its age, and so does the newest of those that are `filled`
    with points: snapshots of what somebody has emptied never push it out. Up to max_age the newest
    of those that were `verified` stays, since it is the one of which something is known.
    """
    ordered = sorted(times, key=lambda name: (times[name], name), reverse=True)
    reasons: dict[str, list[str]] = {name: [] for name in ordered}
    for rule, period in _PERIODS.items():
        left, last = retention.get(rule) or 0, object()
        for name in ordered:
            here = period(times[name].astimezone(zone))
            oldest = name == ordered[-1]
            if left and (here != last or oldest):
                # While a rule has not found as many as it asks for it keeps the oldest, too.
                reasons[name].append(rule if here != last else f"{rule} (oldest)")
                last, left = here, left - 1
    for name in [name for name in ordered if name in verified][:1]:
        reasons[name].append(LAST_VERIFIED)
    if age := retention.get("max_age"):
        for name in ordered:
            if times[name] < now - length(age):
                reasons[name].clear()
    with_points = [name for name in ordered if name in filled]
    for found, word in ((ordered, LAST_GOOD), (with_points, LAST_FILLED)):
        if found and not reasons[found[0]]:
            reasons[found[0]].append(word)
    return {name: tuple(why) for name, why in reasons.items() if why}
