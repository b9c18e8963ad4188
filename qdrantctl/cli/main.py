"""The entry point: finds the command, and is the only place where an error becomes an exit code.

Imports nothing but click and the errors, so that `--help` is quick; each command imports what it
needs when it runs.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from qdrantctl import __version__
from qdrantctl.cli.options import show, wants_colour
from qdrantctl.model.errors import ManifestError, QdrantctlError, unforeseen

COMMANDS = {
    "init": "Start a project in a folder.",
    "validate": "Check the manifests, without a server.",
    "plan": "Show what apply would change on the cluster.",
    "apply": "Carry out what plan shows, and read it back.",
    "show": "Show a resource, recorded and live, or a saved plan.",
    "history": "Show who applied what, when, from which commit.",
    "drift": "Tell what moved on the cluster since it was applied.",
    "audit": "Answer the security checklist for files and server.",
    "import": "Write manifests of what is on the cluster.",
    "lock": "Write or check the committed state, without a server.",
    "snapshots": "Take snapshots by policy; list, verify, prune and restore them.",
    "generate": "Print jobs that call snapshots run: cron, systemd, Kubernetes, GitHub.",
    "lease": "Show who is applying, or break the lease of one that died.",
    "keys": "Issue, rotate, revoke and check tokens of access keys.",
    "render": "Print the manifests as they are after templates.",
    "schema": "Print the JSON Schema of what is read and written.",
    "dev": "Run a real Qdrant on this machine.",
    "completion": "Print the completion script of a shell.",
    "version": "Print the version.",
}
"""Every command with the line that `--help` shows; `cli/<name>.py` holds its `command`."""
FILES = {"import": "import_"}
"""Where that name is a word of Python's own."""

USAGE_EXIT = 64
INTERRUPTED_EXIT = 130
DEBUG = "QDRANTCTL_DEBUG"


class Commands(click.Group):
    """The group that imports a command's file only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(
            f"qdrantctl.cli.{FILES.get(cmd_name, cmd_name)}"
        ).command
        return found

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
def root() -> None:
    """Terraform-style plan and apply for the Qdrant vector database."""


def main() -> None:
    """Run the command line and exit with its code.

    A command keeps nearly all that it reads until it ends, so looking for garbage finds none.
    """
    gc.disable()
    # What is closed is opened, or the next file or socket would take its number.
    sys.stdin = sys.stdin or _nothing("r")
    closed = sys.stdout is None
    sys.stdout = Stream(sys.stdout or _nothing("w"), _unwritten)
    sys.stderr = Stream(sys.stderr or _nothing("w"), _unheard)
    if closed:
        _tell(_lost("it is closed"))
        sys.exit(QdrantctlError.exit_code)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except (OSError, QdrantctlError):
        # It was told; what is left of the text goes nowhere, or Python would try once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _nothing(mode: str) -> Any:
    return Path(os.devnull).open(mode)


@dataclass(frozen=True, slots=True)
class Stream:
    """stdout or stderr, with an answer of ours where it cannot be written."""

    stream: TextIO
    failed: Callable[[OSError], None]

    def write(self, text: str) -> int:
        """Write a text, as far as the stream takes it."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self.failed(error)
            return len(text)

    def flush(self) -> None:
        """Send on what was written."""
        try:
            self.stream.flush()
        except OSError as error:
            self.failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _unheard(_: OSError) -> None:
    """An apply does not stop half way because nobody can be told how far it is."""


def _unwritten(error: OSError) -> None:
    """Raises for a product that nobody gets; a reader that went away has had enough of it."""
    if isinstance(error, BrokenPipeError):
        raise error
    raise _lost(str(error.strerror or error)) from None


def _lost(why: str) -> QdrantctlError:
    return QdrantctlError(
        f"standard output cannot be written: {why}",
        why="What was done before that is done, and recorded as always.",
        hint="Send it where there is room, or to /dev/null, and run the command again.",
    )


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code is the same whatever the output format."""
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
        _tell(error)
        return error.exit_code
    except Exception as error:  # a bug of ours must not end in a traceback
        if os.environ.get(DEBUG):
            raise
        bug = unforeseen(error)
        bug.hint = (
            f"Report it with what {DEBUG}=1 shows; look through that first, it may hold secrets."
        )
        _tell(bug)
        return QdrantctlError.exit_code


def _tell(error: QdrantctlError) -> None:
    """Write an error to stderr: what, where, why, and what to do next."""
    if isinstance(error, ManifestError) and error.violations:
        from qdrantctl.render.diagnostics import text

        show(text(error.violations, colour=wants_colour(sys.stderr)), err=True)
    click.echo(
        click.style("Error: ", fg="red", bold=True) + error.what,
        err=True,
        color=wants_colour(sys.stderr),
    )
    if error.why:
        click.echo(f"  {error.why}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
