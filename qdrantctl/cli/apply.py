"""`qdrantctl apply`: plan, prompt, carry out, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import PLANNING, define_command, option
from qdrantctl.cli.options import (
    FILE,
    LeaseArgs,
    OutputArgs,
    auto_approve_option,
    lease_option,
    output_options,
    parallelism_option,
    progress_option,
    wait_timeout_option,
)
from qdrantctl.cli.output import print_document, render
from qdrantctl.cli.plan_options import PlanningArgs, planning_options
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import (
    INCOMPLETE,
    INTERRUPTED,
    TerminalView,
    exit_code_of,
    require_terminal,
)

if TYPE_CHECKING:
    from qdrantctl.model.plan import Plan
    from qdrantctl.model.report import Report


@dataclass(frozen=True, kw_only=True)
class ApplyArgs(PlanningArgs, LeaseArgs):
    """The arguments of `apply`."""

    plan_file: Path | None
    auto_approve: bool
    parallelism: int
    locked: bool | None
    wait: bool
    wait_timeout: float | None
    receipt: Path | None
    progress: str

    def check(self) -> None:
        """Raise UsageError for options that a saved plan excludes, and for a missing terminal."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if self.plan_file and (flags := self.shaping_flags()):
            raise UsageError(
                f"{flags[0]} changes how a plan is computed, and {self.plan_file} is a saved one",
                hint=f"Leave out {', '.join(flags)}, or plan again with it.",
            )
        if not self.plan_file and not self.auto_approve:
            require_terminal("Review `qdrantctl plan` first, then apply with --auto-approve.")


@define_command(
    ApplyArgs,
    examples=(
        ("qdrantctl apply -e dev", "Show the plan for dev, prompt for approval, and carry it out."),
        ("qdrantctl apply plan.json", "Carry out a saved plan, without a prompt."),
        (
            "qdrantctl apply -e prod --auto-approve --lease-timeout 60 --receipt receipt.json",
            "Apply in a pipeline: wait for another apply, and keep the report.",
        ),
    ),
)
@click.argument("plan_file", metavar="[PLANFILE]", required=False, type=FILE)
@auto_approve_option
@lease_option("another apply")
@parallelism_option
@option("--locked/--no-locked", group=PLANNING, default=None,
        help="Refuse committed state that is out of date (exit 2), or refresh it. A protected "
             "environment with committed state always refuses.")  # fmt: skip
@option("--wait", is_flag=True, help="Wait until the server has indexed every changed collection.")
@wait_timeout_option("Wait at most SECONDS for each payload index and vector name (default 600), "
                     "and with --wait for everything to be indexed (default 3600).")  # fmt: skip
@option("--receipt", type=FILE, metavar="FILE",
        help="Write the report to FILE as JSON.")  # fmt: skip
@progress_option
@planning_options
@output_options("report")
def command(args: ApplyArgs) -> int:
    """Carry out the planned changes, and verify them on the server.

    With PLANFILE, apply a plan saved with `plan --out`. There is no prompt. If the cluster
    has changed since the plan was saved, nothing is applied.

    One apply runs at a time for each environment of a project; while another one is running, the
    command exits with 5.
    """
    progress = Progress(args.verbose, args.no_color, as_json=args.progress == "json")
    progress.show_starting()
    from qdrantctl.flows.applying.apply import ApplyOptions, apply_changes
    from qdrantctl.flows.planning.documents import ensure_writable

    saved = _read_saved_plan(args.plan_file) if args.plan_file else None
    ensure_writable(args.receipt)
    options = ApplyOptions(
        planning=args.planning(),
        saved=saved,
        auto_approve=args.auto_approve,
        lease_timeout=args.lease_timeout,
        locked=args.locked,
        wait=args.wait,
        wait_timeout=args.wait_timeout,
        parallelism=args.parallelism,
    )
    settings = args.settings(environment=_environment_of(saved, args))
    view = reporting_view(args, progress, args.receipt)
    with view.print_events_first():
        result = apply_changes(settings, options, view, progress.on_request)
        for text in result.unindexed:
            view.notify(text)
    if result.report is None:
        return 1
    if result.wait_interrupted:
        return INTERRUPTED
    return INCOMPLETE if result.wait_incomplete else exit_code_of(result.report)


def _read_saved_plan(path: Path) -> Plan:
    """The plan of a file. Raises UsageError for an offline plan."""
    from qdrantctl.flows.planning.documents import read_plan
    from qdrantctl.model.errors import UsageError
    from qdrantctl.model.field_rule import ABSENT

    saved = read_plan(path)
    if saved.offline is not ABSENT:
        raise UsageError(
            f"{path} was compared with committed state, and not with a cluster",
            hint="Plan again without --offline.",
        )
    return saved


def _environment_of(saved: Plan | None, args: ApplyArgs) -> str | None:
    """The environment of a saved plan, for a command line that names none."""
    if saved is None or args.url or saved.environment == "-":
        return None
    return saved.environment


def reporting_view(
    args: OutputArgs, progress: Progress, receipt: Path | None = None, verb: str = "Apply"
) -> TerminalView:
    """A view that prints the report, and writes the receipt if one is wanted."""

    def write_receipt(report: Report) -> None:
        from qdrantctl.flows.planning.documents import write_document

        assert receipt is not None
        write_document(receipt, render("report", report, args, as_format="json"))

    return TerminalView(
        args,
        progress,
        verb,
        print_report=lambda report: print_report(report, args),
        keep_report=write_receipt if receipt else None,
    )


def print_report(report: Report, args: OutputArgs) -> None:
    """Print the report of a plan; as text only if it has outcomes."""
    if args.format != "text" or report.outcomes:
        print_document("report", report, args)
