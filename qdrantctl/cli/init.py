"""`qdrantctl init`: a starter project."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from qdrantctl.cli.command import Args, define_command, option


@dataclass(frozen=True, kw_only=True)
class InitArgs(Args):
    """The arguments of `init`."""

    folder: Path
    profile: str | None
    ci: str | None


@define_command(
    InitArgs,
    examples=(
        ("qdrantctl init shop", "Start a project in the folder shop."),
        ("qdrantctl init shop --profile production --ci github",
         "Start it with strict-mode limits and GitHub Actions."),
    ),
)  # fmt: skip
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path)
)
@option("--profile", type=click.Choice(["production", "development"]),
        help="Add strict-mode limits for all collections.")  # fmt: skip
@option("--ci", type=click.Choice(["github", "gitlab"]),
        help="Add pipelines for this CI service; an existing project gets only these.")  # fmt: skip
def command(args: InitArgs) -> int:
    """Start a project in a folder.

    Writes a project file, a first manifest, and a .gitignore. With --ci also pipelines that check
    and plan each change, apply what is merged, and look for drift.
    """
    from qdrantctl.flows.project.init import PROJECT_FILE, create_project

    written = create_project(args.folder, args.profile, args.ci)
    for path in written:
        click.echo(f"wrote {path}")
    if args.ci:
        click.echo("The head of the pipelines' file lists the variables and keys that it reads.")
    if args.folder / PROJECT_FILE in written:
        _print_next_steps(args)
    return 0


def _print_next_steps(args: InitArgs) -> None:
    click.echo("\nNext:")
    if args.folder != Path():
        click.echo(f"  cd {shlex.quote(str(args.folder))}")
    environment = " -e dev" if args.ci else ""  # pipelines come with several environments
    steps = [
        ("qdrantctl dev up", "start a real Qdrant on this machine"),
        (f"qdrantctl plan{environment}", "see what would change"),
        (f"qdrantctl apply{environment}", "carry it out"),
    ]
    if args.ci:
        steps.append(("qdrantctl lock", "write the state that the pipelines check"))
    for line, meaning in steps:
        click.echo(f"  {line:<{25 if args.ci else 18}}# {meaning}")
