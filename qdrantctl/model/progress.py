"""How far a task is that takes a while: a transfer, or a wait whose end can be counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol

Unit = Literal["bytes", "points"]


class TaskProgress(Protocol):
    """Shows how far tasks are. A task is known by its name, and several may be under way."""

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Show how much of a task is done; the first call begins it."""
        ...

    def end_task(self, task: str) -> None:
        """Show no more of a task, done or not; nothing where it never began."""
        ...


class NoProgress:
    """Shows nothing."""

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Show nothing."""

    def end_task(self, task: str) -> None:
        """Show nothing."""


NO_PROGRESS: TaskProgress = NoProgress()


@contextmanager
def show_transfers(totals: Mapping[str, int], progress: TaskProgress) -> Iterator[None]:
    """Show tasks together, by name with their bytes, until all of them are over."""
    for task, total in totals.items():
        progress.show_amount(task, 0, total, "bytes")
    try:
        yield
    finally:
        for task in totals:
            progress.end_task(task)


def count_bytes(
    chunks: Iterable[bytes], task: str, total: int, progress: TaskProgress
) -> Iterator[bytes]:
    """The same chunks of a file of `total` bytes; how many have come is shown."""
    done = 0
    for chunk in chunks:
        done += len(chunk)
        progress.show_amount(task, done, total, "bytes")
        yield chunk
