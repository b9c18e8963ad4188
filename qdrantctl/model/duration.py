"""Durations as manifests write them: `90d`, `12h` or `30m`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"m": 60, "h": 3600, "d": 86400}
"""Seconds of each."""
PATTERN = "^[1-9][0-9]{0,5}[mhd]$"
_DURATION = re.compile(PATTERN, re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Parse `90d`, `12h` or `30m`. Raises ValueError."""
    if re.fullmatch("0+[mhd]", text):
        raise ValueError(f"{text!r} must be longer than zero")
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration")
    return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])
