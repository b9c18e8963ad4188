"""`qdrantctl destroy`: plan the deletion of resources by name, ask, carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.apply import reporting_view
from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import (
    FILE,
    LeaseArgs,
    OutputArgs,
    ProjectArgs,
    auto_approve_option,
    lease_option,
    output_options,
    parallelism_option,
    project_options,
)
from qdrantctl.cli.plan_options import (
    allow_delete_option,
    allow_older_option,
    check_patterns,
    consents,
    exclude_option,
    max_deletes_option,
    no_safety_snapshot_option,
)
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import exit_code_of, require_terminal

if TYPE_CHECKING:
    from qdrantctl.flows.planning.plan import PlanOptions


@dataclass(frozen=True, kw_only=True)
class DestroyArgs(ProjectArgs, OutputArgs, LeaseArgs):
    """The arguments of `destroy`."""

    addresses: tuple[str, ...]
    exclude: tuple[str, ...]
    max_deletes: int | None
    allow_delete: tuple[str, ...]
    allow_older: tuple[str, ...]
    no_safety_snapshot: tuple[str, ...]
    auto_approve: bool
    parallelism: int
    receipt: Path | None

    def check(self) -> None:
        """Raise UsageError for a pattern that can match no address, and for want of a terminal."""
        super().check()
        check_patterns(
            {
                "destroy": self.addresses,
                "--exclude": self.exclude,
                "--allow-delete": self.allow_delete,
                "--allow-older": self.allow_older,
                "--no-safety-snapshot": self.no_safety_snapshot,
            }
        )
        if not self.auto_approve:
            require_terminal(
                "Review `qdrantctl plan --destroy ADDRESS` first, then destroy with --auto-approve."
            )

    def planning(self) -> PlanOptions:
        """The options as the flows take them."""
        from qdrantctl.engine.planning.selection import Selection
        from qdrantctl.flows.planning.plan import PlanOptions

        return PlanOptions(
            selection=Selection(excludes=self.exclude, destroy=self.addresses),
            consents=consents({("delete", "--allow-delete"): self.allow_delete}),
            allow_older=self.allow_older,
            max_deletes=self.max_deletes,
            no_snapshot=self.no_safety_snapshot,
        )


@define_command(
    DestroyArgs,
    examples=(
        (
            "qdrantctl destroy collection/products -e dev",
            "Show what would be deleted from dev, ask, and delete it.",
        ),
        (
            "qdrantctl destroy collection/old -e dev --allow-delete collection/old --auto-approve",
            "Delete a collection that holds points, without asking; a snapshot is taken first.",
        ),
    ),
)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@auto_approve_option
@lease_option("another apply")
@parallelism_option
@option("--receipt", type=FILE, metavar="FILE",
        help="Write the report to FILE as JSON.")  # fmt: skip
@exclude_option
@max_deletes_option
@allow_delete_option
@allow_older_option
@no_safety_snapshot_option
@project_options
@output_options("report")
def command(args: DestroyArgs) -> int:
    """Delete managed resources by name.

    ADDRESS is an address or a glob of resources that were applied from here. Aliases that point to
    a deleted collection and are managed here are deleted with it. Nothing else is changed.

    It is a plan like any other: protection, consent, safety snapshots and the lease are those of
    apply. `qdrantctl plan --destroy ADDRESS` shows or saves it. The next apply creates again what
    manifests still state.
    """
    progress = Progress(args.verbose, args.no_color)
    progress.show_starting()
    from qdrantctl.flows.applying.apply import ApplyOptions, apply_changes
    from qdrantctl.flows.planning.documents import ensure_writable

    ensure_writable(args.receipt)
    options = ApplyOptions(
        planning=args.planning(),
        auto_approve=args.auto_approve,
        lease_timeout=args.lease_timeout,
        parallelism=args.parallelism,
    )
    view = reporting_view(args, progress, args.receipt, "Destroy")
    with view.print_events_first():
        result = apply_changes(args.settings(), options, view, progress.on_request)
    return exit_code_of(result.report) if result.report else 1
