"""`qdrantctl render`: the manifests after templates, and after overlays."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import ProjectArgs, project_options
from qdrantctl.cli.output import wants_colour


@dataclass(frozen=True, kw_only=True)
class RenderArgs(ProjectArgs):
    """The arguments of `render`."""

    addresses: tuple[str, ...]
    numbers: bool

    def check(self) -> None:
        """Raise UsageError for --numbers with addresses, which have no line numbers."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if self.addresses and self.numbers:
            raise UsageError("--numbers is for files, not for addresses")


@define_command(
    RenderArgs,
    examples=(
        ("qdrantctl render -e prod", "Print every manifest file as prod sees it."),
        ("qdrantctl render collection/products -e prod",
         "Print one resource with its overlays, and where each value is defined."),
    ),
)  # fmt: skip
@click.argument("addresses", metavar="[ADDRESS]…", nargs=-1)
@option("--numbers", is_flag=True, help="Number the lines of each file, as errors do.")
@project_options
def command(args: RenderArgs) -> int:
    """Print the manifests after templates and overlays.

    Without ADDRESS, each file after templates, below its name. With ADDRESS, a name or a glob, the
    resource with overlays merged beneath; comments state where each value is defined.

    The exit code is 1 if a file cannot be read or a template fails; other files are printed.
    """
    from qdrantctl.flows.project.resolved_manifests import render_files, resolve_manifests
    from qdrantctl.render import diagnostics

    settings = args.settings(need_server=False)
    if args.addresses:
        click.echo("---\n".join(resolve_manifests(settings, args.addresses)), nl=False)
        return 0
    files = render_files(settings, numbered=args.numbers)
    for name, text in files.pages:
        click.echo(f"--- # {name}")
        click.echo(text)
    if files.violations:
        colour = wants_colour(sys.stderr)
        click.echo(diagnostics.violations_text(files.violations, colour=colour), err=True)
    return int(any(violation.severity == "error" for violation in files.violations))
