"""`qdrantctl version`: the version."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import click

from qdrantctl import __version__
from qdrantctl.cli.command import Args, define_command, option


@dataclass(frozen=True, kw_only=True)
class VersionArgs(Args):
    """The arguments of `version`."""

    verbose: bool


@define_command(
    VersionArgs,
    examples=(
        ("qdrantctl version", "Print the version."),
        ("qdrantctl version -v", "Print what a bug report should state."),
    ),
)
@option("-v", "--verbose", is_flag=True, help="Also print the versions of Python and the system.")
def command(args: VersionArgs) -> int:
    """Print the version."""
    click.echo(f"qdrantctl {__version__}")
    if args.verbose:
        click.echo(
            f"python {platform.python_version()} on {platform.system()} {platform.machine()}"
        )
    return 0
