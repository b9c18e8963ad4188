"""`qdrantctl plan`: show what apply would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qdrantctl.cli.command import OUTPUT, PLANNING, define_command, option
from qdrantctl.cli.options import FILE, markdown_options, output_options
from qdrantctl.cli.output import print_document, print_event, render
from qdrantctl.cli.plan_options import (
    PlanningArgs,
    check_patterns,
    destroying,
    planning_options,
)
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import BLOCKED, notify

if TYPE_CHECKING:
    from qdrantctl.flows.planning.plan import PlanOptions
    from qdrantctl.model.plan import Plan

CHANGES = 2
GATES = frozenset({"QC214", "QC240"})
"""Rules of --fail-on-loosening and --fail-on-widening. Their violations exit with code 3."""


@dataclass(frozen=True, kw_only=True)
class PlanArgs(PlanningArgs):
    """The arguments of `plan`."""

    detailed_exitcode: bool
    fail_on_blocked: bool
    destroy: tuple[str, ...]
    out: Path | None
    offline: bool
    base: str | None

    def check(self) -> None:
        """Raise UsageError for options that --offline excludes, or that need it."""
        super().check()
        from qdrantctl.model.errors import UsageError

        check_patterns({"--destroy": self.destroy})
        if self.destroy and self.target:
            raise UsageError(
                "--destroy plans nothing else, so it does not go with --target",
                hint="Leave out --target.",
            )
        if self.base and not self.offline:
            raise UsageError("--base names the state that --offline compares with")
        for flag, value in (("--url", self.url), ("--out", self.out)):
            if self.offline and value:
                raise UsageError(
                    f"{flag} cannot be combined with --offline: an offline plan has no server and "
                    "cannot be applied",
                    hint="Save the output with > FILE.",
                )

    def planning(self) -> PlanOptions:
        """The options as the flows take them."""
        return destroying(super().planning(), self.destroy)


@define_command(
    PlanArgs,
    examples=(
        ("qdrantctl plan -e prod", "Show what would change in the environment prod."),
        (
            "qdrantctl plan -e prod --out plan.json",
            "Save the plan, so that `qdrantctl apply plan.json` does exactly this.",
        ),
        (
            "qdrantctl plan -e prod --offline --base origin/main --format markdown",
            "Describe a pull request's changes as markdown, without server and key.",
        ),
    ),
)
@option("--detailed-exitcode", is_flag=True,
        help="Exit with 2 if there are changes, 3 if they are blocked.")  # fmt: skip
@option("--fail-on-blocked", is_flag=True,
        help="Exit with 3 if apply would be blocked, whether or not there are changes "
             "otherwise.")  # fmt: skip
@option("--destroy", group=PLANNING, multiple=True, metavar="ADDRESS",
        help="Plan what `qdrantctl destroy ADDRESS` does, and nothing else.")  # fmt: skip
@option("--out", type=FILE, metavar="FILE",
        help="Save the plan to FILE, for `qdrantctl apply FILE`.")  # fmt: skip
@option("--offline", is_flag=True,
        help="Compare with the committed state instead of a server; needs no key.")  # fmt: skip
@option("--base", metavar="REF",
        help="With --offline: compare with the state in the commit REF instead of "
             "HEAD.")  # fmt: skip
@option("--summary", group=OUTPUT, is_flag=True,
        help="Print each change of the text in one line.")  # fmt: skip
@planning_options
@markdown_options
@output_options("plan")
def command(args: PlanArgs) -> int:
    """Show what apply would change on the cluster.

    The plan compares the manifests, the last-applied state and the live cluster. It only reads; a
    read-only key is enough. The exit code is 0 unless --detailed-exitcode or a --fail-on option is
    given, or a change cannot be made at all (3).
    """
    progress = Progress(args.verbose)
    progress.show_starting()
    plan = _plan_offline(args, progress) if args.offline else _plan_live(args, progress)
    print_document("plan", plan, args)
    if args.out:
        _save(plan, args.out, args)
    return _exit_code(plan, args)


def _plan_live(args: PlanArgs, progress: Progress) -> Plan:
    """The plan against the live cluster."""
    from datetime import date

    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.lease import lease_note
    from qdrantctl.flows.planning.documents import ensure_writable
    from qdrantctl.flows.planning.plan import make_plan
    from qdrantctl.flows.state.live import list_first_reads

    ensure_writable(args.out)
    settings = args.settings()

    def report_activity(text: str) -> None:
        progress.report(text)
        print_event(args, "activity", activity=text)

    try:
        with connect(settings, progress.on_request, list_first_reads()) as client:
            result = make_plan(settings, args.planning(), client, date.today(), report_activity)
            running = lease_note(client, settings.owner)
    finally:
        progress.clear()
    if running:
        notify(f"Note: {running}")
    return result.plan


def _plan_offline(args: PlanArgs, progress: Progress) -> Plan:
    """The plan against the committed state."""
    from datetime import date

    from qdrantctl.flows.planning.offline_plan import plan_offline

    settings = args.settings(need_server=False)
    try:
        return plan_offline(settings, args.planning(), args.base, date.today())
    finally:
        progress.clear()


def _save(plan: Plan, path: Path, args: PlanArgs) -> None:
    """Save the plan for `apply FILE`."""
    from qdrantctl.flows.planning.documents import write_document

    write_document(path, render("plan", plan, args, as_format="json"))
    notify(f"Saved the plan to {path}. To apply exactly this plan: qdrantctl apply {path}")


def _exit_code(plan: Plan, args: PlanArgs) -> int:
    """The exit code of a plan: the same in every format, with a server and without one."""
    gated = any(violation.rule in GATES for violation in plan.blocking)
    strict = args.fail_on_blocked or args.detailed_exitcode
    if plan.summary.refused or gated or (strict and plan.is_blocked):
        return BLOCKED
    return CHANGES if args.detailed_exitcode and plan.has_work else 0
