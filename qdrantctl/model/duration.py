"""Lengths of time as a person writes them: `90d`, `12h` or `30m`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"m": 60, "h": 3600, "d": 86400}
"""Seconds of each."""
PATTERN = "^[1-9][0-9]{0,5}[mhd]$"
_DURATION = re.compile(PATTERN, re.ASCII)


def parse_duration(text: str) -> timedelta:
    """`90d`, `12h` or `30m` as a length of time. Raises ValueError."""
    if re.fullmatch("0+[mhd]", text):
        raise ValueError(f"{text!r} must be more than nothing")
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a length of time")
    return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
