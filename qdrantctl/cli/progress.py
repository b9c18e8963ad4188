"""Progress on stderr: one line that is updated on a terminal, separate lines with -v."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.output import can_draw
from qdrantctl.cli.transfer_progress import (
    PipelineLines,
    ProgressBars,
    ProgressJson,
    ProgressLines,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrantctl.model.progress import TaskProgress, Unit
    from qdrantctl.model.step import Call

ERASE_LINE = "\r\x1b[2K"


@dataclass(slots=True)
class Progress:
    """Shows the activity of a command on stderr. Any thread may report; texts do not mix."""

    verbose: int
    """How many times -v was given."""
    no_color: bool = False
    as_json: bool = False
    """Whether tasks are printed as JSON lines."""
    _bars: ProgressBars = field(init=False)
    _lines: ProgressLines = field(default_factory=ProgressLines)
    _pipeline: PipelineLines = field(default_factory=PipelineLines)
    _json: ProgressJson = field(default_factory=ProgressJson)
    lock: RLock = field(default_factory=RLock)
    """Held while something is printed on stderr."""

    def __post_init__(self) -> None:
        self._bars = ProgressBars(no_color=self.no_color)

    @property
    def tasks(self) -> TaskProgress:
        """Shows tasks with a known total: bars on a terminal, else lines; with -v more of them."""
        if self.as_json:
            return LockedTasks(self._json, self.lock)
        if self.verbose:
            return LockedTasks(self._lines, self.lock)
        return LockedTasks(self._bars if can_draw(sys.stderr) else self._pipeline, self.lock)

    def show_starting(self) -> None:
        """Show a first line before heavy imports; it is erased when the command ends."""
        self.report("starting")
        click.get_current_context().call_on_close(self.clear)

    def report(self, text: str) -> None:
        """Show the current activity, in a few words."""
        with self.lock:
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
    """Shows the tasks of several threads, one text after the other. A `TaskProgress`."""

    tasks: TaskProgress
    lock: RLock

    def show_amount(self, task: str, done: int, total: int, unit: Unit) -> None:
        """Show how much of a task is done."""
        with self.lock:
            self.tasks.show_amount(task, done, total, unit)

    def end_task(self, task: str) -> None:
        """Stop showing a task."""
        with self.lock:
            self.tasks.end_task(task)
