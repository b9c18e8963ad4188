"""`qdrantctl lease show | break`: the leases of applies and jobs on snapshots."""

from __future__ import annotations

from dataclasses import dataclass

import click

from qdrantctl.cli.command import define_command
from qdrantctl.cli.options import (
    OutputArgs,
    ServerArgs,
    auto_approve_option,
    output_options,
    server_options,
)
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import confirm, require_terminal


@click.group()
def command() -> None:
    """Show who is applying, or break a lease that was left behind.

    One apply runs at a time for each environment of a project. An apply that crashes leaves its
    lease behind; two minutes later another apply may take it over.
    """


@dataclass(frozen=True, kw_only=True)
class ShowLeaseArgs(ServerArgs, OutputArgs):
    """The arguments of `lease show`."""


@define_command(
    ShowLeaseArgs,
    name="show",
    parent=command,
    examples=(
        ("qdrantctl lease show -e prod", "Show who is applying to prod."),
        ("qdrantctl lease show -e prod --format json", "The same as JSON, for scripts."),
    ),
)
@server_options
@output_options("leases")
def show_lease(args: ShowLeaseArgs) -> int:
    """Show who holds the leases of applies and of jobs on snapshots."""
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.lease import lease_report

    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        report = lease_report(client, settings.owner)
    print_document("leases", report, args)
    return 0


@dataclass(frozen=True, kw_only=True)
class BreakArgs(ServerArgs, OutputArgs):
    """The arguments of `lease break`."""

    lease: str
    auto_approve: bool

    def check(self) -> None:
        """Raise UsageError for a missing terminal, which the prompt needs."""
        super().check()
        if not self.auto_approve:
            require_terminal("Look at `qdrantctl lease show` first.")


@define_command(
    BreakArgs,
    name="break",
    parent=command,
    examples=(
        (
            "qdrantctl lease break 7 -e prod",
            "Break the lease number 7 of an apply, after a prompt.",
        ),
        (
            "qdrantctl lease break 7 -e prod --auto-approve",
            "Break it without a prompt, in a pipeline.",
        ),
    ),
)
@click.argument("lease", metavar="ID")
@auto_approve_option
@server_options
@output_options()
def break_named_lease(args: BreakArgs) -> int:
    """Break the lease ID, so that its holder stops.

    ID is the number or the collection's name, as `lease show` reports it. A request that the
    holder has already sent may still take effect.
    """
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.lease import break_lease, find_named_lease

    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        lease = find_named_lease(client, settings.owner, args.lease)
        question = f"Break the lease {lease.name} of {lease.who}?"
        warning = f"That {lease.work} will be interrupted. "
        if not args.auto_approve and not confirm(question, "Break", warning):
            return 1
        break_lease(client, lease)
    click.echo(f"broke {lease.name}, held by {lease.who}")
    return 0
