"""Carries out tasks that depend on each other, several at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """Which tasks wait for which, and how many are carried out at once. Tasks are numbers."""

    before: Sequence[Collection[int]] = ()
    """For each task the earlier ones that it waits for; empty if no task waits for another."""
    limit: int = 1
    """With one at a time, tasks are carried out in the order of their numbers."""


ONE_BY_ONE = TaskOrder()
"""Each task after the one before it."""


class ReadyTasks:
    """The tasks that wait for no other, the lowest number first."""

    def __init__(self, count: int, before: Sequence[Collection[int]]) -> None:
        self._missing = [len(before[task]) if before else 0 for task in range(count)]
        self._after: list[list[int]] = [[] for _ in range(count)]
        for task, earlier in enumerate(before):
            for number in earlier:
                self._after[number].append(task)
        self._ready = [task for task, missing in enumerate(self._missing) if not missing]

    def take_next(self) -> int | None:
        """The next task; None while there is none."""
        return heapq.heappop(self._ready) if self._ready else None

    def end_task(self, task: int) -> None:
        """Those that waited for this task only are ready."""
        for later in self._after[task]:
            self._missing[later] -= 1
            if not self._missing[later]:
                heapq.heappush(self._ready, later)


def run_tasks(
    count: int,
    order: TaskOrder,
    start: Callable[[int], Callable[[], T] | T],
    end: Callable[[int, T], None],
) -> None:
    """Carry out that many tasks, each in a thread of its own.

    `start` gives what a task does, or its result without doing it; `end` gets the result. Both are
    called in this thread, so they need no locks. An error of a task is raised once those under way
    have ended; no other task is started then.
    """
    ready = ReadyTasks(count, order.before)
    running: dict[Future[T], int] = {}
    with ThreadPoolExecutor(order.limit, thread_name_prefix="change") as threads:
        while True:
            while len(running) < order.limit and (task := ready.take_next()) is not None:
                work = start(task)
                if callable(work):
                    running[threads.submit(work)] = task
                else:
                    end(task, work)
                    ready.end_task(task)
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                end(task, future.result())
                ready.end_task(task)
