"""Progress bars for long tasks: one for each task, with its rate and the remaining time.

They are drawn on stderr while a task runs, and erased afterwards. With -v and without a terminal
lines are printed instead, with `--progress json` lines of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.output import wants_colour

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from qdrantctl.model.progress import Unit

LINE_SECONDS = 5.0
"""The interval between the lines of a task, with -v."""
PIPELINE_SECONDS = 10.0
"""The same in a pipeline; the first line comes after that time, so short tasks print none."""
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


class PipelineLines:
    """A line every ten seconds for each task that takes longer. A `TaskProgress`."""

    def __init__(self) -> None:
        self._printed: dict[str, float] = {}
        """When a task began or its last line was printed, on a monotonic clock."""

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Print the progress of a task, if it is time."""
        now = time.monotonic()
        if now - self._printed.setdefault(task, now) >= PIPELINE_SECONDS:
            self._printed[task] = now
            click.echo(_progress_line(task, done, total, unit), err=True)

    def end_task(self, task: str) -> None:
        """Forget a task."""
        self._printed.pop(task, None)


class ProgressLines:
    """A line for each task at intervals. A `TaskProgress`."""

    def __init__(self) -> None:
        self._printed: dict[str, tuple[float, int]] = {}
        """The time of the last line of a task (on a monotonic clock), and the amount in it."""

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Print the progress of a task: at its start, at its end, and at intervals between."""
        now = time.monotonic()
        printed_at, printed = self._printed.get(task, (-LINE_SECONDS, -1))
        if now - printed_at >= LINE_SECONDS or (done == total != printed):
            self._printed[task] = now, done
            click.echo(_progress_line(task, done, total, unit), err=True)

    def end_task(self, task: str) -> None:
        """Forget a task."""
        self._printed.pop(task, None)


class ProgressJson:
    """A line of JSON for each task at intervals, for pipelines. A `TaskProgress`."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}
        """When a task began (on a monotonic clock), and with which amount."""
        self._printed: dict[str, float] = {}

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Print the progress of a task: at its start, at its end, and at intervals between."""
        now = time.monotonic()
        since, before = self._begun.setdefault(task, (now, done))
        if now - self._printed.get(task, -LINE_SECONDS) < LINE_SECONDS and done != total:
            return
        self._printed[task] = now
        rate = (done - before) / (now - since) if now > since else 0.0
        remaining = round((total - done) / rate) if rate > 0 and total >= done else None
        line = {
            "task": task,
            "done": done,
            "total": total,
            "unit": unit,
            "rate": round(rate, 1),
            "remaining_seconds": remaining,
        }
        click.echo(json.dumps(line), err=True)

    def end_task(self, task: str) -> None:
        """Forget a task."""
        self._begun.pop(task, None)
        self._printed.pop(task, None)


def _progress_line(task: str, done: int, total: int, unit: Unit) -> str:
    """`apply: 12/30 changes …`, or `collection/a: 1,200 of 3,000 points …`."""
    amount = f"{done:,}/{total:,}" if unit == "changes" else f"{done:,} of {total:,}"
    return f"{task}: {amount} {unit} …"


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
