"""Progress on stderr: one line that is updated on a terminal, separate lines with -v."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.output import can_draw
from qdrantctl.cli.transfer_progress import (
    LINE_SECONDS,
    PIPELINE_SECONDS,
    MeasuredTasks,
    ProgressBars,
    ProgressLines,
    print_amount,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrantctl.model.progress import TaskProgress, Unit
    from qdrantctl.model.step import Call

LOOK_SECONDS = 1.0
"""The interval at which a thread looks whether a line is due."""
ERASE_LINE = "\r\x1b[2K"


@dataclass(slots=True)
class Progress:
    """Shows the activity of a command on stderr. Any thread may report; texts do not mix."""

    verbose: int
    """How many times -v was given."""
    no_color: bool = False
    as_json: bool = False
    """Whether tasks are printed as JSON lines."""
    listeners: list[TaskProgress] = field(default_factory=list)
    """Get the progress of every task, too."""
    _bars: ProgressBars = field(init=False)
    _lines: ProgressLines = field(init=False)
    _json: MeasuredTasks = field(default_factory=lambda: MeasuredTasks(print_amount))
    _has_ended: Event = field(default_factory=Event)
    lock: RLock = field(default_factory=RLock)
    """Held while something is printed on stderr."""

    def __post_init__(self) -> None:
        self._bars = ProgressBars(no_color=self.no_color)
        self._lines = (
            ProgressLines(LINE_SECONDS, prints_ends=True)
            if self.verbose
            else ProgressLines(PIPELINE_SECONDS)
        )

    @property
    def _prints_lines(self) -> bool:
        """Whether tasks are lines of text: with -v, and without a terminal."""
        return not self.as_json and bool(self.verbose or not can_draw(sys.stderr))

    @property
    def tasks(self) -> TaskProgress:
        """Shows tasks with a known total: bars on a terminal, else lines; with -v more of them."""
        shown = self._json if self.as_json else self._lines if self._prints_lines else self._bars
        return LockedTasks((shown, *self.listeners), self.lock)

    def show_starting(self) -> None:
        """Show a first line before heavy imports; it is erased when the command ends."""
        self.report("starting")
        context = click.get_current_context()
        context.call_on_close(self.clear)
        if self._prints_lines:
            Thread(target=self._print_due_lines, daemon=True).start()
            context.call_on_close(self._has_ended.set)

    def _print_due_lines(self) -> None:
        """Print lines while nothing is reported, until the command ends."""
        while not self._has_ended.wait(LOOK_SECONDS):
            with self.lock:
                if not self._has_ended.is_set():
                    self._lines.print_due()

    def report(self, text: str) -> None:
        """Show the current activity, in a few words."""
        with self.lock:
            self._lines.show_activity(text)
            if self.verbose:
                click.echo(f"{text} …", err=True)
            elif can_draw(sys.stderr) and not self._bars.is_drawing:
                click.echo(f"{ERASE_LINE}{text} …", nl=False, err=True)

    def update(self, text: str) -> None:
        """Show the progress of a wait: in place on a terminal, else in a new line."""
        if can_draw(sys.stderr):
            click.echo(f"{ERASE_LINE}{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)

    def clear(self) -> None:
        """Erase the line and all bars, before other output."""
        with self.lock:
            self._bars.clear()
            self._lines.clear()
            if can_draw(sys.stderr):
                click.echo(ERASE_LINE, nl=False, err=True)

    @property
    def on_request(self) -> Callable[[Call, int, float], None] | None:
        """With -vv a function that prints each request: method, path, status, milliseconds."""
        return self._print_request if self.verbose >= 2 else None

    def _print_request(self, call: Call, status: int, seconds: float) -> None:
        """Print a request. Its headers are never printed: one of them holds the API key."""
        line = f"{call.method} {call.path} -> {status} ({seconds * 1000:.0f} ms)"
        with self.lock:
            click.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class LockedTasks:
    """Shows the tasks of several threads in every place, one after the other. A `TaskProgress`."""

    places: tuple[TaskProgress, ...]
    lock: RLock

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Show how much of a task is done."""
        with self.lock:
            for place in self.places:
                place.show_amount(task, done, total, unit)

    def end_task(self, task: str) -> None:
        """Stop showing a task."""
        with self.lock:
            for place in self.places:
                place.end_task(task)
