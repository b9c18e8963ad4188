"""Tasks that are shown while they last, whatever ends them."""

from __future__ import annotations

import pytest

from qdrantctl.model.progress import NO_PROGRESS, count_bytes, show_transfers


class Seen:
    def __init__(self) -> None:
        self.shown: list[tuple[str, int, int, str]] = []
        self.ended: list[str] = []

    def show_amount(self, task: str, done: int, total: int, unit: str) -> None:
        self.shown.append((task, done, total, unit))

    def end_task(self, task: str) -> None:
        self.ended.append(task)


def test_every_task_is_shown_before_the_first_one_begins():
    seen = Seen()
    with show_transfers({"a": 3, "b": 5}, seen):
        assert list(count_bytes([b"xx", b"x"], "a", 3, seen)) == [b"xx", b"x"]
        assert seen.ended == []
    assert seen.shown == [("a", 0, 3, "bytes"), ("b", 0, 5, "bytes"),
                          ("a", 2, 3, "bytes"), ("a", 3, 3, "bytes")]  # fmt: skip
    assert seen.ended == ["a", "b"]


def test_tasks_end_with_an_error_too():
    seen = Seen()
    with pytest.raises(ZeroDivisionError), show_transfers({"a": 3}, seen):
        raise ZeroDivisionError
    assert seen.ended == ["a"]


def test_nothing_is_shown_where_nobody_looks():
    with show_transfers({"a": 1}, NO_PROGRESS):
        assert list(count_bytes([b"x"], "a", 1, NO_PROGRESS)) == [b"x"]
