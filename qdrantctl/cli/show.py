"""`qdrantctl show`: a resource, last applied and live side by side; or a saved plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command
from qdrantctl.cli.options import OutputArgs, ProjectArgs, output_options, project_options
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress

if TYPE_CHECKING:
    from qdrantctl.model.address import Address


@dataclass(frozen=True, kw_only=True)
class ShowResourceArgs(ProjectArgs, OutputArgs):
    """The arguments of `show`."""

    subject: str

    @property
    def plan_file(self) -> Path | None:
        """The file of a saved plan; None for an address."""
        path = Path(self.subject)
        return path if path.suffix == ".json" or path.is_file() else None

    def address(self) -> Address:
        """The address. Raises UsageError."""
        from qdrantctl.model.address import Address, unsendable_reason
        from qdrantctl.model.errors import UsageError

        try:
            address = Address.parse(self.subject)
        except ValueError as error:
            raise UsageError(f"{error}", hint="Or name a file that plan --out has saved.") from None
        if reason := unsendable_reason(address.name):
            raise UsageError(f"{address.name!r}: {reason}")
        return address


@define_command(
    ShowResourceArgs,
    examples=(
        ("qdrantctl show collection/products -e prod",
         "Compare the last-applied state of a collection with the live one."),
        ("qdrantctl show plan.json", "Show a saved plan, without a server."),
    ),
)  # fmt: skip
@click.argument("subject", metavar="ADDRESS | PLANFILE")
@project_options
@output_options("resource")
def command(args: ShowResourceArgs) -> int:
    """Show a resource, last applied and live, or a saved plan.

    ADDRESS is KIND/NAME, as in collection/products. A plan needs no server.
    """
    if args.plan_file:
        from qdrantctl.flows.planning.documents import read_plan

        print_document("plan", read_plan(args.plan_file), args)
        return 0
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.show import show_resource

    address = args.address()
    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        resource = show_resource(client, address, settings.owners)
    print_document("resource", resource, args)
    return 0
