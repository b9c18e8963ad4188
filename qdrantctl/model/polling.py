"""Polling: the only loop that repeats a check until it succeeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(
    check: Callable[[], T],
    done: Callable[[T], bool] = bool,
    *,
    timeout: float,
    interval: float = 0.05,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> T:
    """The last result of `check`: done, or not done after the timeout or a cancellation.

    `timeout` and `interval` are seconds. `check` is called at least once, and once more after the
    timeout, so that a slow machine does not miss a result that has just become true.
    """
    deadline = time.monotonic() + timeout
    while True:
        is_last = time.monotonic() >= deadline
        result = check()
        if is_last or done(result) or is_cancelled():
            return result
        time.sleep(max(0.0, min(interval, deadline - time.monotonic())))
