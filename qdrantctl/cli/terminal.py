"""Output and prompts of flows on the terminal."""

from __future__ import annotations

import sys
from dataclasses import field
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.interrupt import catch_signals
from qdrantctl.cli.output import can_draw, print_event, print_for_operator, print_output, render
from qdrantctl.cli.progress import Progress
from qdrantctl.model.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from qdrantctl.cli.options import OutputArgs
    from qdrantctl.flows.cluster.indexing import IndexState
    from qdrantctl.model.address import Address
    from qdrantctl.model.plan import Plan
    from qdrantctl.model.progress import TaskProgress
    from qdrantctl.model.report import Outcome, Report

BLOCKED, INCOMPLETE, INTERRUPTED = 3, 6, 130


@frozen
class TerminalView:
    """Shows plans and progress of a command, and prompts for approval."""

    args: OutputArgs
    progress: Progress
    verb: str = "Apply"
    print_report: Callable[[Report], None] | None = None
    """Prints the report in the format of the arguments."""
    _indexing: dict[Address, str] = field(default_factory=dict)
    """The last line printed for each collection, so that none is repeated."""

    def report_progress(self, text: str) -> None:
        """Show the current activity."""
        self.progress.report(text)
        with self.progress.lock:
            print_event(self.args, "activity", activity=text)

    @property
    def task_progress(self) -> TaskProgress:
        """Shows the progress of tasks with a known total."""
        return self.progress.tasks

    def clear_progress(self) -> None:
        """Erase the line of progress."""
        self.progress.clear()

    def notify(self, text: str) -> None:
        """Print a line on stderr."""
        notify(text)

    def show_plan(self, plan: Plan) -> None:
        """Print the plan as text, on stderr if stdout is for a report in another format."""
        print_for_operator("plan", plan, self.args)
        print_event(self.args, "planned", summary=plan.summary)

    def approve(self, plan: Plan) -> bool:
        """Prompt for `yes`, naming the owner of the resources and the server."""
        return confirm(f"\n{self.verb} this to {plan.owner} on {plan.server.url}?", self.verb)

    def catch_signals(self) -> AbstractContextManager[Callable[[], bool]]:
        """Turn signals into the value of a function."""
        return catch_signals()

    def show_outcome(self, outcome: Outcome) -> None:
        """Print the outcome of a change on stderr. Unreached resources are listed at the end."""
        from qdrantctl.model.report import OutcomeStatus

        if outcome.status is OutcomeStatus.NOT_REACHED:
            return
        with self.progress.lock:
            self.progress.clear()
            text = render("outcome", outcome, self.args, sys.stderr, as_format="text")
            print_output(text, err=True)
            print_event(self.args, "outcome", outcome=outcome)

    def show_report(self, report: Report) -> None:
        """Print the report."""
        if self.print_report:
            self.print_report(report)

    def show_indexing(self, state: IndexState) -> None:
        """Show the progress of the server in indexing a collection."""
        address, indexed, points = state.address, state.indexed, state.points
        line = f"{address}: {state.status}, {indexed:,} of {points:,} points indexed"
        if self._indexing.get(address) == line:
            return
        self._indexing[address] = line
        if not state.is_final and can_draw(sys.stderr):
            self.progress.tasks.show_amount(f"{address}: indexing", indexed, points, "points")
        else:
            self.progress.tasks.end_task(f"{address}: indexing")
            self.progress.update(line)


def notify(text: str) -> None:
    """Print a line on stderr."""
    click.echo(text, err=True)


def confirm(question: str, verb: str, warning: str = "") -> bool:
    """Prompt on the terminal. Only `yes` is accepted as approval."""
    click.echo(question, err=True)
    click.echo(f"  {warning}Only 'yes' is accepted as approval.", err=True)
    answer = click.prompt("  Enter a value", default="", show_default=False, err=True)
    if answer != "yes":
        click.echo(f"{verb} cancelled; no changes were made.", err=True)
        return False
    return True


def require_terminal(hint: str) -> None:
    """Raise UsageError if there is no terminal to prompt on."""
    if not sys.stdin.isatty():
        from qdrantctl.model.errors import UsageError

        raise UsageError("confirmation needs a terminal, or --auto-approve", hint=hint)


def exit_code_of(report: Report) -> int:
    """The exit code of a report, which is the same in every format."""
    if report.interrupted and not report.is_complete:
        return INTERRUPTED
    return 0 if report.is_complete else INCOMPLETE
