"""The progress of long tasks: a transfer, or a wait with a countable end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol

Unit = Literal["bytes", "points", "changes"]


class TaskProgress(Protocol):
    """Shows the progress of tasks. A task is identified by name; several may run at once."""

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Show how much of a task is done; the first call starts it."""
        ...

    def end_task(self, task: str) -> None:
        """Stop showing a task, complete or not; no effect if it was never started."""
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
    """Show tasks together, by name with their bytes, until all of them end."""
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
    """The same chunks of a file of `total` bytes; the number of bytes so far is shown."""
    done = 0
    for chunk in chunks:
        done += len(chunk)
        progress.show_amount(task, done, total, "bytes")
        yield chunk
