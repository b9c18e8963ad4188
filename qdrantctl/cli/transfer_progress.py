"""Progress bars for long tasks: one for each task, with its rate and the remaining time.

They are drawn on stderr while a task runs, and erased afterwards. With -v and without a terminal
lines are printed instead, with `--progress json` lines of JSON. `--format jsonl` has events too.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.output import wants_colour

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from qdrantctl.model.progress import Unit

LINE_SECONDS = 5.0
"""The interval between the lines of a task, with -v."""
PIPELINE_SECONDS = 10.0
"""The same in a pipeline."""
_ERASE_LINE = "\r\x1b[2K"


class ProgressBars:
    """One bar for each task; all are erased once no task runs. A `TaskProgress`."""

    def __init__(self, *, no_color: bool = False) -> None:
        self._no_color = no_color
        self._rich: RichProgress | None = None
        self._bars: dict[str, TaskID] = {}
        self._running: set[str] = set()

    @property
    def is_drawing(self) -> bool:
        """Whether bars are drawn at the end of the terminal."""
        return self._rich is not None

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Draw the bar of a task."""
        if self._rich is None:
            self._rich = _start_drawing(no_color=self._no_color)
        if task not in self._bars:
            self._bars[task] = self._rich.add_task(task, unit=unit)
            self._running.add(task)
        if not done:  # a task may restart; its earlier amounts must not count in the rate
            self._rich.reset(self._bars[task])
        self._rich.update(self._bars[task], completed=min(done, total), total=total)

    def end_task(self, task: str) -> None:
        """Keep the bar, so that the others do not move; the end of the last task erases all."""
        self._running.discard(task)
        if not self._running:
            self.clear()

    def clear(self) -> None:
        """Erase every bar."""
        if self._rich:
            self._rich.stop()
        self._rich = None
        self._bars.clear()
        self._running.clear()


@dataclass(slots=True)
class ShownTask:
    """A task, or an activity without a total, as lines show it."""

    begun: float
    """On a monotonic clock, in seconds, like `printed`."""
    printed: float
    first: int = 0
    """The amount at its start, from which its rate is computed."""
    amount: tuple[int, int, Unit] | None = None
    """Done, total and unit; None for an activity."""
    printed_done: int = -1


class ProgressLines:
    """A line at intervals for each task, else for the activity. A `TaskProgress`.

    By default the first line comes after an interval, so that what is short prints none.
    """

    def __init__(self, interval: float, *, prints_ends: bool = False) -> None:
        """`interval` is seconds. `prints_ends` adds a line at the start and the end of a task."""
        self._interval = interval
        self._prints_ends = prints_ends
        self._tasks: dict[str, ShownTask] = {}
        self._activity: tuple[str, ShownTask] | None = None

    def show_activity(self, text: str) -> None:
        """Take an activity; it is printed once it has lasted for an interval."""
        now = time.monotonic()
        self._activity = text, ShownTask(now, now)

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Take the progress of a task, and print it if it is time."""
        now = time.monotonic()
        is_new = task not in self._tasks
        shown = self._tasks.setdefault(task, ShownTask(now, now, first=done))
        shown.amount = done, total, unit
        is_end = is_new or done == total
        if self._prints_ends and is_end and done != shown.printed_done:
            self._print(task, shown, now)
        else:
            self._print_if_due(task, shown, now)

    def end_task(self, task: str) -> None:
        """Forget a task."""
        self._tasks.pop(task, None)

    def print_due(self) -> None:
        """Print what has not been printed for an interval."""
        now = time.monotonic()
        for task, shown in self._tasks.items():
            self._print_if_due(task, shown, now)
        if self._activity and not self._tasks:
            self._print_if_due(*self._activity, now)

    def clear(self) -> None:
        """Forget the activity."""
        self._activity = None

    def _print_if_due(self, name: str, shown: ShownTask, now: float) -> None:
        if now - shown.printed >= self._interval:
            self._print(name, shown, now)

    def _print(self, name: str, shown: ShownTask, now: float) -> None:
        shown.printed = now
        if shown.amount is None:
            click.echo(f"{name} … {now - shown.begun:.0f} s", err=True)
            return
        done, total, unit = shown.amount
        shown.printed_done = done
        seconds = now - shown.begun
        left = _seconds_left(done, total, (done - shown.first) / seconds if seconds else 0.0)
        click.echo(_progress_line(name, done, total, unit, left), err=True)


class MeasuredTasks:
    """Tells the amounts of each task at intervals, with its rate. A `TaskProgress`."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """`tell` gets the fields of a `TaskAmount`."""
        self._tell = tell
        self._begun: dict[str, tuple[float, int]] = {}
        """When a task began (on a monotonic clock), and with which amount."""
        self._told: dict[str, tuple[float, int]] = {}
        """When the amount of a task was told, and the amount."""

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Tell the amount of a task: at its start, at its end, and at intervals between."""
        now = time.monotonic()
        since, before = self._begun.setdefault(task, (now, done))
        told_at, told = self._told.get(task, (-LINE_SECONDS, -1))
        if now - told_at < LINE_SECONDS and not (done == total != told):
            return
        self._told[task] = now, done
        rate = (done - before) / (now - since) if now > since else 0.0
        self._tell(
            {
                "task": task,
                "done": done,
                "total": total,
                "unit": unit,
                "rate": round(rate, 1),
                "remaining_seconds": _seconds_left(done, total, rate),
            }
        )

    def end_task(self, task: str) -> None:
        """Forget a task."""
        self._begun.pop(task, None)
        self._told.pop(task, None)


def print_amount(amount: dict[str, Any]) -> None:
    """Print an amount in a line of JSON on stderr."""
    click.echo(json.dumps(amount), err=True)


def _seconds_left(done: int, total: int, rate: float) -> int | None:
    """The estimated rest; None if there is no estimate."""
    return round((total - done) / rate) if rate > 0 and total >= done else None


def _progress_line(task: str, done: int, total: int, unit: Unit, left: int | None) -> str:
    """`apply: 12/30 changes, 18 s left …`, or `collection/a: 1,200 of 3,000 points …`."""
    amount = f"{done:,}/{total:,}" if unit == "changes" else f"{done:,} of {total:,}"
    rest = "" if not left else f", {left} s left" if left < 120 else f", {left // 60} min left"
    return f"{task}: {amount} {unit}{rest} …"


def _start_drawing(*, no_color: bool) -> RichProgress:
    """Bars on stderr, below other output there. The line of progress is erased first."""
    from rich.console import Console
    from rich.filesize import decimal
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as RichTask
    from rich.text import Text

    class AmountColumn(ProgressColumn):
        """The amount done, and the rate."""

        def render(self, task: RichTask) -> Text:
            if task.fields["unit"] == "changes":
                return Text(f"{task.completed:,.0f}/{task.total or 0:,.0f} changes")

            def amount(value: float) -> str:
                is_bytes = task.fields["unit"] == "bytes"
                return decimal(int(value)) if is_bytes else f"{value:,.0f} points"

            rate = f", {amount(task.speed)}/s" if task.speed else ""
            return Text(f"{amount(task.completed)} of {amount(task.total or 0)}{rate}")

    sys.stderr.write(_ERASE_LINE)
    console = Console(
        file=sys.stderr,
        force_terminal=True,
        no_color=not wants_colour(sys.stderr, no_color=no_color),
    )
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        AmountColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # stdout may be a file
    )
    progress.start()
    return progress
