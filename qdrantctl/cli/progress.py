"""Progress on stderr: one line that is updated on a terminal, separate lines with -v."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.output import can_draw
from qdrantctl.cli.transfer_progress import ProgressBars, ProgressJson, ProgressLines
from qdrantctl.model.progress import NO_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrantctl.model.progress import TaskProgress
    from qdrantctl.model.step import Call

ERASE_LINE = "\r\x1b[2K"


@dataclass(slots=True)
class Progress:
    """Shows the activity of a command on stderr."""

    verbose: int
    """How many times -v was given."""
    no_color: bool = False
    as_json: bool = False
    """Whether tasks are printed as JSON lines."""
    _bars: ProgressBars = field(init=False)
    _lines: ProgressLines = field(default_factory=ProgressLines)
    _json: ProgressJson = field(default_factory=ProgressJson)

    def __post_init__(self) -> None:
        self._bars = ProgressBars(no_color=self.no_color)

    @property
    def tasks(self) -> TaskProgress:
        """Shows tasks with a known total: bars on a terminal, lines with -v, else nothing."""
        if self.as_json:
            return self._json
        if self.verbose:
            return self._lines
        return self._bars if can_draw(sys.stderr) else NO_PROGRESS

    def show_starting(self) -> None:
        """Show a first line before heavy imports; it is erased when the command ends."""
        self.report("starting")
        click.get_current_context().call_on_close(self.clear)

    def report(self, text: str) -> None:
        """Show the current activity, in a few words."""
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
        self._bars.clear()
        if can_draw(sys.stderr):
            click.echo(ERASE_LINE, nl=False, err=True)

    @property
    def on_request(self) -> Callable[[Call, int, float], None] | None:
        """With -vv a function that prints each request: method, path, status, milliseconds."""
        return _print_request if self.verbose >= 2 else None


def _print_request(call: Call, status: int, seconds: float) -> None:
    """Print a request. Its headers are never printed: one of them holds the API key."""
    click.echo(f"{call.method} {call.path} -> {status} ({seconds * 1000:.0f} ms)", err=True)
