"""`qdrantctl init`: a starter project."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


@click.command()
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--profile", type=click.Choice(["production", "development"]),
              help="Add strict-mode caps for all collections.")  # fmt: skip
def command(folder: Path, profile: str | None) -> int:
    """Start a project in DIR: a project file, a first manifest, and what git should ignore."""
    from qdrantctl.flows.init import init

    for path in init(folder, profile):
        click.echo(f"wrote {path}")
    click.echo("\nNext:")
    if folder != Path():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    for words, about in (
        ("qdrantctl dev up", "start a real Qdrant on this machine"),
        ("qdrantctl plan", "see what would change"),
        ("qdrantctl apply", "make it so"),
    ):
        click.echo(f"  {words:<18}# {about}")
    return 0
