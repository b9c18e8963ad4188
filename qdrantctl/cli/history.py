"""`qdrantctl history`: who applied what, when, from which commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import (
    AddressType,
    OutputArgs,
    ProjectArgs,
    output_options,
    project_options,
)
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress

if TYPE_CHECKING:
    from qdrantctl.model.address import Address


@dataclass(frozen=True, kw_only=True)
class HistoryArgs(ProjectArgs, OutputArgs):
    """The arguments of `history`."""

    address: Address | None
    all_owners: bool
    diff: bool


@define_command(
    HistoryArgs,
    examples=(
        ("qdrantctl history -e prod", "List the applies to prod."),
        ("qdrantctl history collection/products -e prod",
         "List the applies that changed one collection."),
        ("qdrantctl history collection/products -e prod --diff",
         "Show which fields each of them changed."),
    ),
)  # fmt: skip
@click.argument("address", metavar="[ADDRESS]", required=False, type=AddressType())
@option("--all-owners", is_flag=True,
        help="List the applies of every project and environment on the cluster.")  # fmt: skip
@option("--diff", is_flag=True,
        help="Show the fields that each apply changed, before and after.")  # fmt: skip
@project_options
@output_options("history")
def command(args: HistoryArgs) -> int:
    """Show who applied what, when, and from which commit.

    The newest apply comes first. The ledger keeps the last 20 applies of each resource, and what
    each of them changed on the cluster.
    """
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.show import read_history

    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        events = read_history(
            client, settings.owners, args.address, all_owners=args.all_owners, diff=args.diff
        )
    print_document("history", events, args)
    return 0
