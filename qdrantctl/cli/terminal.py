"""Output and prompts of flows on the terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.interrupt import catch_signals
from qdrantctl.cli.output import (
    EVENTS_FORMAT,
    print_event,
    print_for_operator,
    print_output,
    render,
)
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.transfer_progress import MeasuredTasks
from qdrantctl.model.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
    keep_report: Callable[[Report], None] | None = None
    """Writes the report elsewhere, before it is printed."""
    _indexing: dict[Address, str] = field(default_factory=dict)
    """The last line printed for each collection, so that none is repeated."""
    _held: list[Report] = field(default_factory=list)
    """Reports that are printed after all events."""

    def __post_init__(self) -> None:
        """Let tasks be events, too, if the format has them."""
        if self.args.format == EVENTS_FORMAT:
            self.progress.listeners.append(
                MeasuredTasks(lambda amount: print_event(self.args, "progress", progress=amount))
            )

    def report_progress(self, text: str) -> None:
        """Show the current activity."""
        self.progress.report(text)
        self._tell("activity", activity=text)

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
        self._tell("notice", notice=text)

    def show_plan(self, plan: Plan) -> None:
        """Print the plan as text, on stderr if stdout is for a report in another format."""
        print_for_operator("plan", plan, self.args)
        self._tell("planned", summary=plan.summary)

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
            self._tell("outcome", outcome=outcome)

    def show_report(self, report: Report) -> None:
        """Keep the report and print it; as last line of events, once its block ends."""
        if self.keep_report:
            self.keep_report(report)
        if self.args.format == EVENTS_FORMAT:
            self._held.append(report)
        elif self.print_report:
            self.print_report(report)

    @contextmanager
    def print_events_first(self) -> Iterator[None]:
        """A block whose events all come before the report, even where the block fails."""
        try:
            yield
        finally:
            for report in self._held:
                if self.print_report:
                    self.print_report(report)

    def show_indexing(self, state: IndexState) -> None:
        """Show the progress of the server in indexing a collection."""
        address, indexed, points = state.address, state.indexed, state.points
        line = f"{address}: {state.status}, {indexed:,} of {points:,} points indexed"
        if self._indexing.get(address) == line:
            return
        self._indexing[address] = line
        tasks, task = self.progress.tasks, f"{address}: indexing"
        if state.is_final:
            tasks.end_task(task)
            self.progress.update(line)
        else:
            tasks.show_amount(task, indexed, points, "points")
        self._tell(
            "indexing",
            indexing={
                "address": str(address),
                "status": state.status,
                "indexed": indexed,
                "points": points,
                "is_final": state.is_final,
            },
        )

    def _tell(self, event: str, **details: object) -> None:
        with self.progress.lock:
            print_event(self.args, event, **details)


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
