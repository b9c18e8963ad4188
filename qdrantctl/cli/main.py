"""The entry point: finds the command, and turns errors into exit codes.

Imports nothing but click and the errors, so that `--help` is quick; each command imports what it
needs when it runs.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from qdrantctl import __version__
from qdrantctl.cli.command import BEFORE_COMMAND, FOLDER
from qdrantctl.cli.output import print_output, wants_colour
from qdrantctl.cli.streams import flush_stdout, protect_streams
from qdrantctl.model.errors import ManifestError, QdrantctlError, unexpected_error

COMMANDS = {
    "init": "Start a project in a folder.",
    "validate": "Check the manifests, without a server.",
    "plan": "Show what apply would change on the cluster.",
    "apply": "Carry out the planned changes, and verify them on the server.",
    "destroy": "Delete managed resources by name.",
    "show": "Show a resource, last applied and live, or a saved plan.",
    "history": "Show who applied what, when, and from which commit.",
    "drift": "Report what changed on the cluster since it was applied.",
    "audit": "Check files and server against the security checklist.",
    "upgrade-check": "Report what a newer version of Qdrant changes for this project.",
    "migrate": "Write manifests in the spelling of a newer Qdrant.",
    "import": "Write manifests for resources that exist on the cluster.",
    "lock": "Write or check the committed state, without a server.",
    "replacement": "Watch and steer replacements without downtime.",
    "snapshots": "Take, list, verify, prune and restore snapshots.",
    "generate": "Print jobs that run snapshot policies on a schedule.",
    "lease": "Show who is applying, or break a lease that was left behind.",
    "keys": "Issue, rotate, revoke and check tokens of access keys.",
    "render": "Print the manifests after templates and overlays.",
    "schema": "Print the JSON Schema of a file that is read or written.",
    "dev": "Run a real Qdrant server on this machine.",
    "completion": "Print the completion script of a shell.",
    "version": "Print the version.",
}
"""Every command with its first line of help; `cli/<name>.py` holds its `command`."""
FILES = {"import": "import_", "upgrade-check": "upgrade_check"}
"""The file of a command whose name cannot be one in Python."""

USAGE_EXIT = 64
INTERRUPTED_EXIT = 130
DEBUG = "QDRANTCTL_DEBUG"


class Commands(click.Group):
    """The group that imports the module of a command only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102
        if cmd_name not in COMMANDS:
            return None
        result: click.Command = importlib.import_module(
            f"qdrantctl.cli.{FILES.get(cmd_name, cmd_name)}"
        ).command
        return result

    def resolve_command(  # noqa: D102
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(error.format_message() + hint, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002, D102
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="qdrantctl %(version)s")
@click.option(*BEFORE_COMMAND["directory"], "directory", metavar="DIR", type=FOLDER,
              help="Run as if started in DIR; also after the command.")  # fmt: skip
@click.option(*BEFORE_COMMAND["environment"], "environment", metavar="NAME",
              help="Use the environment NAME; also after the command.")  # fmt: skip
def root(directory: Path | None, environment: str | None) -> None:
    """Terraform-style plan and apply for the Qdrant vector database.

    Options after the command override options before it.
    """
    # The options of the command read them (GroupedOption.consume_value).


def main() -> None:
    """Run the command line and exit with its code.

    The garbage collector is off: a command keeps nearly all objects until it ends.
    """
    gc.disable()
    if error := protect_streams():
        print_error(error)
        sys.exit(error.exit_code)
    code = run(sys.argv[1:])
    flush_stdout()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line. The exit code does not depend on the output format."""
    no_color = "--no-color" in arguments  # an error may occur before options are parsed
    try:
        answer: Any = root.main(arguments, prog_name="qdrantctl", standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED_EXIT
    except click.ClickException as error:
        error.show(sys.stderr)
        return USAGE_EXIT
    except BrokenPipeError:
        return QdrantctlError.exit_code
    except QdrantctlError as error:
        print_error(error, no_color=no_color)
        return error.exit_code
    except Exception as error:  # a bug of qdrantctl must not end in a traceback
        if os.environ.get(DEBUG):
            raise
        bug = unexpected_error(error)
        bug.hint = f"Report it with what {DEBUG}=1 shows; read that first, it may hold secrets."
        print_error(bug, no_color=no_color)
        return QdrantctlError.exit_code


def print_error(error: QdrantctlError, *, no_color: bool = False) -> None:
    """Write an error to stderr: what, where, why, and what to do next."""
    colour = wants_colour(sys.stderr, no_color=no_color)
    if isinstance(error, ManifestError) and error.violations:
        from qdrantctl.render.diagnostics import violations_text

        print_output(violations_text(error.violations, colour=colour), err=True)
    click.echo(
        click.style("Error: ", fg="red", bold=True) + error.what,
        err=True,
        color=colour,
    )
    if error.why:
        click.echo(f"  {error.why}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
