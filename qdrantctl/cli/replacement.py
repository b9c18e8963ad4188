"""`qdrantctl replacement status | pause | resume | abort | rollback | finish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.apply import print_report, reporting_view
from qdrantctl.cli.command import CONSENT, define_command, option
from qdrantctl.cli.options import (
    AddressType,
    LeaseArgs,
    OutputArgs,
    ProjectArgs,
    ServerArgs,
    auto_approve_option,
    lease_option,
    output_options,
    progress_option,
    project_options,
    server_options,
    wait_timeout_option,
)
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import TerminalView, exit_code_of, require_terminal
from qdrantctl.model.field_rule import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.flows.planning.plan import PlanOptions
    from qdrantctl.flows.replacement.replace import Operator
    from qdrantctl.model.address import Address

ADDRESS = AddressType()
address_argument = click.argument("address", type=ADDRESS)
_RUN = "another run of replacements"


@click.group()
def command() -> None:
    """Watch and steer replacements without downtime.

    A collection with lifecycle.replace: blue_green is replaced beside the old one: `apply` fills a
    new collection, verifies it, and moves the aliases.
    """


@dataclass(frozen=True, kw_only=True)
class ReplacementStatusArgs(ServerArgs, OutputArgs):
    """The arguments of `replacement status`."""

    address: Address | None


@define_command(
    ReplacementStatusArgs,
    name="status",
    parent=command,
    examples=(
        ("qdrantctl replacement status -e prod", "Show every replacement of prod."),
        (
            "qdrantctl replacement status collection/products -e prod --format prometheus",
            "Write the metrics of one for the textfile collector.",
        ),
    ),
)
@click.argument("address", type=ADDRESS, required=False)
@server_options
@output_options("replacements")
def show_status(args: ReplacementStatusArgs) -> int:
    """Show the phase and the progress of replacements.

    Old collections that are kept after one are shown, too.
    """
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.replacement.commands import read_statuses

    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        statuses = read_statuses(client, settings, args.address)
    print_document("replacements", statuses, args)
    return 0


@dataclass(frozen=True, kw_only=True)
class PauseArgs(ServerArgs, OutputArgs):
    """The arguments of `replacement pause`."""

    address: Address


@define_command(
    PauseArgs,
    name="pause",
    parent=command,
    examples=(
        (
            "qdrantctl replacement pause collection/products -e prod",
            "Stop the run of it, wherever that is, and keep it stopped.",
        ),
        (
            "qdrantctl replacement pause collection/products --url http://localhost:6333",
            "The same on a server without an environment.",
        ),
    ),
)
@address_argument
@server_options
@output_options()
def pause_run(args: PauseArgs) -> int:
    """Pause a replacement.

    Its run stops within seconds, and applies leave it alone until it is resumed.
    """
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.replacement.commands import pause_replacement

    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        click.echo(pause_replacement(client, settings, args.address))
    return 0


@dataclass(frozen=True, kw_only=True)
class ReplacementRunArgs(ProjectArgs, OutputArgs, LeaseArgs):
    """The arguments of commands that carry out phases from the manifests."""

    address: Address
    auto_approve: bool
    wait_timeout: float | None
    progress: str

    def check(self) -> None:
        """Raise UsageError for a missing terminal, which the prompt needs."""
        super().check()
        if not self.auto_approve:
            require_terminal("Look at `qdrantctl replacement status` first.")


@dataclass(frozen=True, kw_only=True)
class FinishArgs(ReplacementRunArgs):
    """The arguments of `replacement finish`."""

    no_safety_snapshot: bool


@define_command(
    ReplacementRunArgs,
    name="resume",
    parent=command,
    examples=(
        (
            "qdrantctl replacement resume collection/products -e prod --auto-approve",
            "Go on where it stopped.",
        ),
        (
            "qdrantctl replacement resume collection/products -e prod --wait-timeout 86400",
            "Wait a day for another program to fill the collection.",
        ),
    ),
)
@address_argument
@auto_approve_option
@lease_option(_RUN)
@wait_timeout_option("Wait at most SECONDS until another program has filled the collection.")
@progress_option
@project_options
@output_options("report")
def resume_run(args: ReplacementRunArgs) -> int:
    """Let a paused replacement go on, and carry out its next phases here.

    It is what `apply` does with a replacement under way, for this one resource.
    """
    from qdrantctl.engine.planning.selection import Selection
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.planning.plan import PlanOptions
    from qdrantctl.flows.replacement.commands import unpause_replacement

    settings = args.settings()
    with connect(settings, None) as client:
        unpause_replacement(client, settings, args.address)
    options = PlanOptions(selection=Selection(targets=(str(args.address),)))
    return _apply_one(args, options)


@define_command(
    FinishArgs,
    name="finish",
    parent=command,
    examples=(
        (
            "qdrantctl replacement finish collection/products -e prod",
            "Delete the old collection now, after a snapshot of it.",
        ),
        (
            "qdrantctl replacement finish collection/products -e dev --no-safety-snapshot",
            "Delete it without a snapshot.",
        ),
    ),
)
@address_argument
@auto_approve_option
@option("--no-safety-snapshot", group=CONSENT, is_flag=True,
        help="Take no snapshot of the old collection; not in a protected environment.")  # fmt: skip
@lease_option("another apply")
@wait_timeout_option("Wait at most SECONDS for what the server does in the background.")
@progress_option
@project_options
@output_options("report")
def finish_replacement(args: FinishArgs) -> int:
    """Delete the old collection before the end of `keep`.

    There is no rollback after it. The points of the old collection are destroyed: in a protected
    environment this needs a consent to replace the collection in the project file.
    """
    from qdrantctl.engine.planning.selection import Selection
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.lease import current_actor
    from qdrantctl.flows.planning.plan import PlanOptions
    from qdrantctl.flows.replacement.commands import end_without_old
    from qdrantctl.model.consent import Consent

    settings = args.settings()
    with connect(settings, None) as client:
        if ended := end_without_old(client, settings, args.address, current_actor(settings)):
            click.echo(ended)
            return 0
    options = PlanOptions(
        selection=Selection(targets=(str(args.address),)),
        consents=(Consent("replace", str(args.address), "replacement finish"),),
        no_snapshot=(str(args.address),) if args.no_safety_snapshot else (),
        retire=(args.address,),
    )
    return _apply_one(args, options)


def _apply_one(args: ReplacementRunArgs, planning: PlanOptions) -> int:
    """Apply the plan of one resource."""
    progress = Progress(args.verbose, args.no_color, as_json=args.progress == "json")
    progress.show_starting()
    from qdrantctl.flows.applying.apply import ApplyOptions, apply_changes

    options = ApplyOptions(
        planning=planning,
        auto_approve=args.auto_approve,
        lease_timeout=args.lease_timeout,
        wait_timeout=args.wait_timeout,
    )
    view = reporting_view(args, progress)
    with view.print_events_first():
        result = apply_changes(args.settings(), options, view, progress.on_request)
    return 1 if result.report is None else exit_code_of(result.report)


@dataclass(frozen=True, kw_only=True)
class TurnArgs(ServerArgs, OutputArgs, LeaseArgs):
    """The arguments of `replacement abort` and `rollback`."""

    address: Address
    auto_approve: bool
    progress: str

    def check(self) -> None:
        """Raise UsageError for a missing terminal, which the prompt needs."""
        super().check()
        if not self.auto_approve:
            require_terminal("Look at `qdrantctl replacement status` first.")


@define_command(
    TurnArgs,
    name="abort",
    parent=command,
    examples=(
        (
            "qdrantctl replacement abort collection/products -e dev",
            "Delete the new collection; the old one stays in use.",
        ),
        (
            "qdrantctl replacement abort collection/products -e prod --auto-approve",
            "The same without a prompt, in a pipeline.",
        ),
    ),
)
@address_argument
@auto_approve_option
@lease_option(_RUN)
@progress_option
@server_options
@output_options()
def abort_run(args: TurnArgs) -> int:
    """End a replacement before its switch.

    The new collection is deleted, and nothing else; writes to the old one are allowed again.
    """
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.replacement.commands import abort_replacement, plan_abort

    settings = args.settings()
    view, progress = _view_of(args, "Abort")
    with connect(settings, progress.on_request) as client:
        plan = plan_abort(client, settings, args.address)
        view.show_plan(plan)
        if not args.auto_approve and not view.approve(plan):
            return 1
        with view.catch_signals() as is_cancelled:
            operator = _operator(settings, view, args, is_cancelled)
            abort_replacement(client, settings, args.address, operator)
    click.echo(f"aborted the replacement of {args.address}")
    return 0


@define_command(
    TurnArgs,
    name="rollback",
    parent=command,
    examples=(
        (
            "qdrantctl replacement rollback collection/products -e prod",
            "Put the aliases back, with what was written since.",
        ),
        (
            "qdrantctl replacement rollback collection/products -e prod --progress json",
            "Print the progress as lines of JSON.",
        ),
    ),
)
@address_argument
@auto_approve_option
@lease_option(_RUN)
@progress_option
@server_options
@output_options("report")
def roll_back(args: TurnArgs) -> int:
    """Put the aliases back to the old collection.

    What was written since is carried over to it; where the new collection was deleted,
    only the aliases are put back.
    Where the vectors of both collections differ nothing can be carried over; the plan says how many
    points that are. The new collection is kept then, as the old one was.
    """
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.replacement.commands import plan_rollback
    from qdrantctl.flows.replacement.replace import run_replacement
    from qdrantctl.flows.replacement.survivor import return_to_survivor

    settings = args.settings()
    view, progress = _view_of(args, "Roll back")
    with connect(settings, progress.on_request) as client:
        planner = _operator(settings, view, args, lambda: False)
        plan, record = plan_rollback(client, settings, args.address, planner)
        view.clear_progress()
        view.show_plan(plan)
        if not args.auto_approve and not view.approve(plan):
            return 1
        with view.catch_signals() as is_cancelled:
            operator = _operator(settings, view, args, is_cancelled)
            if plan.changes[0].replacement is ABSENT:
                report = return_to_survivor(client, settings, plan, operator)
            else:
                report = run_replacement(plan.changes[0], record, plan, settings, client, operator)
    view.clear_progress()
    print_report(report, args)
    return exit_code_of(report)


def _view_of(args: TurnArgs, verb: str) -> tuple[TerminalView, Progress]:
    progress = Progress(args.verbose, args.no_color, as_json=args.progress == "json")
    progress.show_starting()
    return TerminalView(args, progress, verb), progress


def _operator(
    settings: Settings, view: TerminalView, args: TurnArgs, is_cancelled: Callable[[], bool]
) -> Operator:
    from qdrantctl.flows.lease import current_actor
    from qdrantctl.flows.replacement.replace import Operator

    return Operator(
        current_actor(settings),
        view.notify,
        view.report_progress,
        view.task_progress,
        is_cancelled,
        view.show_outcome,
        args.lease_timeout,
    )
