"""`qdrantctl snapshots run | prune | verify`: the jobs of snapshot policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.apply import print_report
from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.interrupt import catch_signals
from qdrantctl.cli.options import (
    LeaseArgs,
    OutputArgs,
    ServerArgs,
    lease_option,
    output_options,
    server_options,
    wait_timeout_option,
)
from qdrantctl.cli.output import (
    EVENTS_FORMAT,
    print_document,
    print_event,
    print_for_operator,
    print_output,
    render,
)
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import INCOMPLETE, TerminalView, exit_code_of, notify

if TYPE_CHECKING:
    from qdrantctl.model.client import NodeClient
    from qdrantctl.model.plan import Plan
    from qdrantctl.model.report import Outcome
    from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, VerificationResult


@dataclass(frozen=True, kw_only=True)
class PolicyArgs(ServerArgs, OutputArgs, LeaseArgs):
    """The arguments that the jobs of policies share."""

    policies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunArgs(PolicyArgs):
    """The arguments of `snapshots run`."""

    dry_run: bool


@define_command(
    RunArgs,
    name="run",
    examples=(
        ("qdrantctl snapshots run -e prod", "Take every snapshot that is due in prod."),
        ("qdrantctl snapshots run nightly -e prod --dry-run",
         "Show what the policy nightly would take and remove now."),
    ),
)  # fmt: skip
@click.argument("policies", nargs=-1, metavar="[POLICY]…")
@option("--dry-run", is_flag=True,
        help="Show which snapshots are due and which would be removed; change "
             "nothing.")  # fmt: skip
@lease_option("another job on snapshots")
@server_options
@output_options("report")
def run_snapshot_policies(args: RunArgs) -> int:
    """Take the snapshots that are due by the applied policies.

    Meant to be called every few minutes by a scheduler. Missed snapshots are taken once, runs that
    were interrupted are completed, and sets that retention no longer keeps are removed.
    """
    progress = Progress(args.verbose, args.no_color)
    progress.show_starting()
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.cluster.nodes import JobContext
    from qdrantctl.flows.lease import LeaseWait
    from qdrantctl.flows.snapshots.policies import job
    from qdrantctl.flows.snapshots.policies.run import plan_run

    settings = args.settings()
    view = TerminalView(args, progress)
    with connect(settings, progress.on_request) as client, catch_signals() as is_cancelled:
        _note_unapplied(args, client)
        if args.dry_run:
            work = JobContext(client, view.report_progress, is_cancelled, settings.nodes)
            planned = plan_run(settings, work, args.policies)
            progress.clear()
            _print_due(planned.plan, args)
            return 0

        def print_outcome(outcome: Outcome) -> None:
            _print_outcome(outcome, args, progress)

        report = job.run_policies(
            settings,
            client,
            args.policies,
            LeaseWait(args.lease_timeout, view.notify, is_cancelled),
            view.report_progress,
            print_outcome,
            view.task_progress,
        )
        progress.clear()
    if args.format == "text":
        print_document("report_ending", report, args)
    else:
        print_report(report, args)
    return exit_code_of(report)


def _note_unapplied(args: RunArgs, client: NodeClient) -> None:
    """Say which policies the manifests state and a run ignores, as they were never applied."""
    from qdrantctl.flows.snapshots.policies.status import unapplied_policies
    from qdrantctl.model.errors import QdrantctlError

    try:
        names = unapplied_policies(args.project_manifests(), client)
    except QdrantctlError:
        return  # a run needs no manifests: their errors are for plan and apply to report
    for name in names:
        notify(f"Note: snapshot_policy/{name} is stated and not applied: it takes nothing.")


def _print_due(plan: Plan, args: RunArgs) -> None:
    """Print the due policies; if there are none, when each is due next."""
    if plan.summary.changes or args.format in ("json", EVENTS_FORMAT):
        print_document("plan", plan, args)
    else:
        print_output(render("idle_policies", plan, args, as_format="text"))


def _print_outcome(outcome: Outcome, args: OutputArgs, progress: Progress) -> None:
    from qdrantctl.model.report import OutcomeStatus

    if outcome.status is not OutcomeStatus.NOOP:
        progress.clear()
        print_for_operator("outcome", outcome, args)
        print_event(args, "outcome", outcome=outcome)


@dataclass(frozen=True, kw_only=True)
class PruneArgs(PolicyArgs):
    """The arguments of `snapshots prune`."""

    dry_run: bool
    orphans: tuple[str, ...]


@define_command(
    PruneArgs,
    name="prune",
    examples=(
        ("qdrantctl snapshots prune -e prod --dry-run", "Show which sets would be removed."),
        ("qdrantctl snapshots prune nightly -e prod",
         "Remove the sets that the retention of nightly no longer keeps."),
    ),
)  # fmt: skip
@click.argument("policies", nargs=-1, metavar="[POLICY]…")
@option("--dry-run", is_flag=True, help="Show which sets would be removed; remove nothing.")
@option("--orphan", "orphans", multiple=True, metavar="FOLDER",
        help="Also remove the incomplete or unmatched snapshot set in FOLDER.")  # fmt: skip
@lease_option("another job on snapshots")
@server_options
@output_options("removal")
def prune_sets(args: PruneArgs) -> int:
    """Remove the snapshot sets that retention no longer keeps.

    Incomplete sets and sets of deleted collections are listed; they are removed only when named
    with --orphan. An unfinished set is also removed once a newer one was begun.
    """
    progress = Progress(args.verbose, args.no_color)
    progress.show_starting()
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.lease import LeaseWait
    from qdrantctl.flows.snapshots.policies.job import prune_policies

    settings = args.settings()
    with connect(settings, progress.on_request) as client, catch_signals() as is_cancelled:
        report = prune_policies(
            settings,
            client,
            args.policies,
            args.orphans,
            LeaseWait(args.lease_timeout, notify, is_cancelled),
            progress.report,
            dry_run=args.dry_run,
        )
    progress.clear()
    print_document("removal", report, args)
    return 0


@dataclass(frozen=True, kw_only=True)
class VerifyArgs(PolicyArgs):
    """The arguments of `snapshots verify`."""

    scratch: str
    wait_timeout: float | None


@define_command(
    VerifyArgs,
    name="verify",
    examples=(
        ("qdrantctl snapshots verify -e prod", "Restore the newest sets in prod and compare them."),
        ("qdrantctl snapshots verify nightly -e prod --scratch embedded",
         "Restore the sets of nightly on temporary servers of this machine."),
    ),
)  # fmt: skip
@click.argument("policies", nargs=-1, metavar="[POLICY]…")
@option("--scratch", type=click.Choice(("cluster", "embedded")), default="cluster",
        show_default=True,
        help="Restore into temporary collections of the cluster, or on temporary servers of this "
             "machine.")  # fmt: skip
@lease_option("another job on snapshots")
@wait_timeout_option("Wait at most SECONDS for shards to be on their nodes (default 120).")
@server_options
@output_options("verification")
def verify_sets(args: VerifyArgs) -> int:
    """Restore the newest snapshot sets and compare them.

    The newest set of each collection, and each older one that failed before, is restored into a
    temporary collection. The points of each shard, sampled points and the results of sampled
    queries must be what they were. The result is written beside the set; what cannot be tested
    keeps the one that it has. The exit code is 6 if a set is not good or cannot be tested.

    With --scratch embedded nothing is restored in the cluster: qdrantctl writes there only the
    lease and, in the ledger, the results of sets that are kept on the cluster. Collections and
    servers that an earlier verification left behind are removed first.
    """
    progress = Progress(args.verbose, args.no_color)
    progress.show_starting()
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.lease import LeaseWait
    from qdrantctl.flows.snapshots.policies.job import verify_policies
    from qdrantctl.model.snapshots.reports import VerificationReport

    def print_verified(snapshot_set: SnapshotSet, result: VerificationResult) -> None:
        progress.clear()
        if args.format == "text":
            print_document("verification", VerificationReport(((snapshot_set, result),)), args)

    settings = args.settings()
    with connect(settings, progress.on_request) as client, catch_signals() as is_cancelled:
        report = verify_policies(
            settings,
            client,
            args.policies,
            LeaseWait(args.lease_timeout, notify, is_cancelled),
            progress.report,
            print_verified,
            progress.tasks,
            embedded=args.scratch == "embedded",
            wait_timeout=args.wait_timeout,
        )
        progress.clear()
    for line in report.untried:
        notify(f"Not verified: {line}")
    if args.format != "text" or not (report.verified or report.untried):
        print_document("verification", report, args)
    return 0 if report.is_good else INCOMPLETE
