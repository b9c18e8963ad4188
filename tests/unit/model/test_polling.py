"""One loop that waits: to the end, to a time, or until it is cancelled."""

from __future__ import annotations

import pytest

from qdrantctl.model import polling
from qdrantctl.model.polling import poll


class Clock:
    """Time that passes while one sleeps, and with each look where looking is slow."""

    def __init__(self, look_seconds: float = 0.0) -> None:
        self.now, self.look_seconds = 100.0, look_seconds
        self.sleeps: list[float] = []
        self.looks: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(round(seconds, 3))
        self.now += seconds

    def look(self) -> float:
        """Seconds since the beginning, as seen by a check."""
        self.looks.append(round(self.now - 100, 3))
        self.now += self.look_seconds
        return self.looks[-1]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    return clock


def test_what_is_so_is_not_waited_for(clock):
    assert poll(lambda: "result", timeout=10) == "result"
    assert clock.sleeps == []


def test_it_looks_at_least_once(clock):
    assert poll(clock.look, lambda _: False, timeout=0) == 0
    assert (clock.looks, clock.sleeps) == ([0], [])


def test_it_ends_as_soon_as_it_is_so(clock):
    assert poll(clock.look, lambda seconds: seconds >= 0.5, timeout=10, interval=0.2) == 0.6
    assert clock.looks == [0, 0.2, 0.4, 0.6]


def test_it_looks_once_more_when_the_time_is_up(clock):
    """The last pause is a shorter one, so that the last look comes no later."""
    assert poll(clock.look, lambda _: False, timeout=0.5, interval=0.2) == 0.5
    assert clock.looks == [0, 0.2, 0.4, 0.5]


def test_a_slow_look_does_not_take_the_last_one_away(clock):
    clock.look_seconds = 5.0
    assert poll(clock.look, lambda seconds: seconds >= 5, timeout=1, interval=0.2) == 5
    assert clock.looks == [0, 5]


def test_it_ends_when_the_caller_cancels_and_gives_what_it_saw(clock):
    asked = iter([False, False, True])
    result = poll(clock.look, lambda _: False, timeout=10, interval=1,
                  is_cancelled=lambda: next(asked))  # fmt: skip
    assert (result, clock.sleeps) == (2, [1, 1])


def test_it_may_wait_without_an_end(clock):
    assert poll(clock.look, lambda s: s > 1000, timeout=float("inf"), interval=300) == 1200


def test_what_a_look_raises_is_raised(clock):
    with pytest.raises(ZeroDivisionError):
        poll(lambda: 1 // 0, timeout=10)
    assert clock.sleeps == []
