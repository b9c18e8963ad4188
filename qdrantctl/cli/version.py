"""`qdrantctl version`: the version."""

from __future__ import annotations

import platform

import click

from qdrantctl import __version__


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Also Python and the machine.")
def command(verbose: bool) -> int:
    """Print the version."""
    click.echo(f"qdrantctl {__version__}")
    if verbose:
        click.echo(
            f"python {platform.python_version()} on {platform.system()} {platform.machine()}"
        )
    return 0
