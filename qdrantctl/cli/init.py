"""`qdrantctl init`: a starter project."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import Args, define_command, option
from qdrantctl.cli.terminal import notify
from qdrantctl.model.errors import UsageError

if TYPE_CHECKING:
    from qdrantctl.flows.project.pipelines import WrittenPipelines

NOT_MERGED = 2
_SENTENCES = {
    "wrote": "wrote {path}",
    "updated": "updated {path}",
    "merged": "updated {path}, with your edits",
    "removed": "removed {path}",
    "unchanged": "{path}: up to date",
    "left out": "{path}: left out, since it was removed",
    "conflict": "{path}: not updated",
    "unknown": "{path}: not updated",
}


@dataclass(frozen=True, kw_only=True)
class InitArgs(Args):
    """The arguments of `init`."""

    folder: Path
    profile: str | None
    ci: str | None
    package: str | None

    def check(self) -> None:
        """Raise UsageError for a package without pipelines that could install it."""
        if self.package is not None and self.ci is None:
            raise UsageError("--package requires --ci: it is what the pipelines install")


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
        help="Add pipelines for this CI service, or update those of the project.")  # fmt: skip
@option("--package", metavar="SOURCE",
        help="With --ci: what the pipelines install. A wheel in the repository, its URL with "
        "#sha256=HASH, or git+https://HOST/REPOSITORY@COMMIT. The default is the source of the "
        "installed qdrantctl, or its version in the package registry.")  # fmt: skip
def command(args: InitArgs) -> int:
    """Start a project in a folder.

    Writes a project file, a first manifest, and a .gitignore. With --ci also pipelines that check
    and plan each change, apply what is merged, and look for drift. For an existing project --ci
    writes the pipelines only. Run it again after the project has changed: your edits of the
    pipelines are kept, and what contradicts them is printed (exit code 2).
    """
    from datetime import date

    from qdrantctl.flows.project.init import PROJECT_FILE, create_project
    from qdrantctl.flows.project.pipelines import write_pipelines

    is_new = args.profile or not args.ci or not (args.folder / PROJECT_FILE).exists()
    if is_new:
        for path in create_project(args.folder, args.profile, with_clusters=bool(args.ci)):
            click.echo(f"wrote {path}")
    code = 0
    if args.ci:
        code = _print_pipelines(
            write_pipelines(args.folder, args.ci, args.package, date.today(), os.environ)
        )
    if is_new:
        _print_next_steps(args)
    return code


def _print_pipelines(written: WrittenPipelines) -> int:
    """Print what was done with each file; the exit code tells whether all of them are current."""
    from qdrantctl.flows.project.generated_files import FileResult

    for file in written.files:
        click.echo(f"{_SENTENCES[file.result].format(path=file.path)}")
    for notice in written.notices:
        notify(f"Warning: {notice}")
    unmerged = [file for file in written.files if file.todo]
    for file in unmerged:
        reason = "has no record of its generation" if file.result is FileResult.UNKNOWN else (
            "has edits that contradict what is generated now"
        )  # fmt: skip
        notify(f"{file.path} {reason}; it was not changed. Make these changes in it:\n")
        notify(file.todo)
    if not unmerged:
        click.echo("The head of each pipeline lists the variables and keys that it reads.")
    return NOT_MERGED if unmerged else 0


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
