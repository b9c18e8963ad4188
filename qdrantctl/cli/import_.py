"""`qdrantctl import`: manifests from the live cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import OutputArgs, ProjectArgs, output_options, project_options
from qdrantctl.cli.output import print_document, print_output, render
from qdrantctl.cli.progress import Progress

if TYPE_CHECKING:
    from qdrantctl.flows.importing.import_resources import ImportResult
    from qdrantctl.flows.importing.write_manifests import ImportOptions
    from qdrantctl.model.address import Address

INCOMPLETE = 2
STDOUT = "-"


@dataclass(frozen=True, kw_only=True)
class ImportArgs(ProjectArgs, OutputArgs):
    """The arguments of `import`."""

    addresses: tuple[str, ...]
    everything: bool
    exclude: tuple[str, ...]
    out: str | None
    force: bool
    update: bool

    def check(self) -> None:
        """Raise UsageError for options that exclude each other."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if bool(self.addresses) == self.everything:
            raise UsageError(
                "name what to import: ADDRESS…, or --all",
                hint="Addresses are KIND/NAME, as in collection/products.",
            )
        if self.exclude and not self.everything:
            raise UsageError("--exclude needs --all")
        for flag, value in (
            ("--all", self.everything),
            ("--out", self.out),
            ("--force", self.force),
        ):
            if self.update and value:
                raise UsageError(
                    f"--update cannot be combined with {flag}",
                    hint="It takes addresses that manifests declare.",
                )
        if self.out and self.out.endswith((".yaml", ".yml")):
            raise UsageError(
                f"--out {self.out}: each collection has a file of its own, so this takes a folder",
                hint=f"For one file: --out - > {self.out}",
            )
        if self.out == STDOUT and self.format != "text":
            raise UsageError("--out - prints manifests, so it cannot be combined with --format")

    def options(self) -> ImportOptions:
        """The options for the flow. Raises UsageError for an unusable address."""
        from qdrantctl.flows.importing.write_manifests import ImportOptions

        return ImportOptions(
            addresses=tuple(dict.fromkeys(map(_check_address_pattern, self.addresses))),
            exclude=self.exclude,
            folder=self.directory / self.out if self.out and self.out != STDOUT else None,
            force=self.force,
            update=self.update,
            printed=self.out == STDOUT,
        )


def _check_address_pattern(text: str) -> Address:
    """The address of a resource that can be imported. Raises UsageError."""
    from qdrantctl.kinds.catalog import BY_NAME
    from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
    from qdrantctl.model.errors import UsageError

    try:
        address = Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if address.kind not in BY_NAME:
        raise UsageError(f"{text}: there is no kind {address.kind!r}",
                         hint=f"Known kinds are {', '.join(BY_NAME)}.")  # fmt: skip
    if reason := unsendable_reason(address.name):
        raise UsageError(f"{text!r}: {reason}")
    if address.name.startswith(OWN_PREFIX):
        raise UsageError(f"{text}: names that begin with {OWN_PREFIX} are reserved for qdrantctl")
    return address


@define_command(
    ImportArgs,
    name="import",
    examples=(
        ("qdrantctl import --all -e prod",
         "Write manifests for everything that no other project manages."),
        ("qdrantctl import collection/products -e prod --out -",
         "Print the manifest of one collection."),
        ("qdrantctl import --update collection/products -e prod",
         "Take the changes of the cluster over into an existing manifest."),
    ),
)  # fmt: skip
@click.argument("addresses", metavar="[ADDRESS]…", nargs=-1)
@option("--all", "everything", is_flag=True,
        help="Import every resource that no other project manages.")  # fmt: skip
@option("--exclude", multiple=True, metavar="GLOB",
        help="With --all: leave out the addresses that match GLOB.")  # fmt: skip
@option("--out", metavar="DIR",
        help="Write to the folder DIR, or print with -; the default is the first manifests "
             "folder.")  # fmt: skip
@option("--force", is_flag=True, help="Overwrite files that exist.")
@option("--update", is_flag=True, help="Update the manifests that declare ADDRESS.")
@project_options
@output_options("import_report")
def command(args: ImportArgs) -> int:
    """Write manifests for resources that exist on the cluster.

    The cluster is only read. Each collection gets a file, with its aliases, in the project's first
    folder of manifests; server defaults are left out. Resources that a manifest declares already
    are skipped, and files that exist are kept. The next plan adopts the resources and changes
    nothing.

    With --update, only fields that differ are written into the manifest that declares ADDRESS.
    Comments, order and all other bytes stay, and so do edits that were not applied yet. Values that
    a template writes, and fields that were changed both in the manifest and on the cluster, are
    reported instead, and the exit code is 2.
    """
    from datetime import date

    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.importing.write_manifests import import_manifests

    options = args.options()
    settings = args.settings()
    progress = Progress(args.verbose)
    try:
        with connect(settings, progress.on_request) as client:
            result = import_manifests(settings, options, client, date.today(), progress.report)
    finally:
        progress.clear()
    if options.printed:
        return _print_manifests(result, args)
    print_document("import_report", result.report, args)
    return 0 if result.report.complete else INCOMPLETE


def _print_manifests(result: ImportResult, args: ImportArgs) -> int:
    """Print the manifests on stdout, and remarks on stderr."""
    print_output("---\n".join(data.decode() for data in result.texts.values()))
    print_output(render("import_remarks", result.report, args), err=True)
    return 0
