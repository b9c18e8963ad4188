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
@click.option("--ci", type=click.Choice(["github", "gitlab"]),
              help="Pipelines for it, too; a project that exists gets them alone.")  # fmt: skip
def command(folder: Path, profile: str | None, ci: str | None) -> int:
    """Start a project in DIR: a project file, a first manifest, and what git should ignore.

    With --ci: pipelines that check and plan each change, apply what is merged and look for drift.
    """
    from qdrantctl.flows.project.init import PROJECT_FILE, init

    written = init(folder, profile, ci)
    for path in written:
        click.echo(f"wrote {path}")
    if ci:
        click.echo("The head of the pipelines' file says which variables and keys it reads.")
    if folder / PROJECT_FILE not in written:
        return 0
    click.echo("\nNext:")
    if folder != Path():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    which = " -e dev" if ci else ""  # with pipelines come environments for them
    for words, about in (
        ("qdrantctl dev up", "start a real Qdrant on this machine"),
        (f"qdrantctl plan{which}", "see what would change"),
        (f"qdrantctl apply{which}", "make it so"),
        *([("qdrantctl lock", "write the state that the pipelines check")] if ci else []),
    ):
        click.echo(f"  {words:<{25 if ci else 18}}# {about}")
    return 0
