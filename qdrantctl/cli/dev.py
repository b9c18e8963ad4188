"""`qdrantctl dev up | down | status`: a real Qdrant on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command
from qdrantctl.cli.options import DirectoryArgs, directory_options, wait_timeout_option

if TYPE_CHECKING:
    from qdrantctl.flows.project.local_server import LocalServer

NOT_RUNNING = 1


@click.group()
def command() -> None:
    """Run a real Qdrant server on this machine.

    It serves environments with `url: embedded`, listens on loopback only, and keeps its data in
    .qdrantctl/ beside the project file. It runs until `dev down`; commands that need it, including
    plan and drift, start it automatically. The program is the one that QDRANTCTL_QDRANT_BIN names,
    else `qdrant` on PATH, else a pinned npm package.
    """


@dataclass(frozen=True, kw_only=True)
class UpArgs(DirectoryArgs):
    """The arguments of `dev up`."""

    wait_timeout: float | None


@define_command(
    UpArgs,
    parent=command,
    examples=(
        ("qdrantctl dev up", "Start the server of the project in this folder."),
        ("qdrantctl dev up -C shop", "Start the server of the project in the folder shop."),
    ),
)
@wait_timeout_option("Wait at most SECONDS (default 60) until the server has loaded its data.")
@directory_options
def up(args: UpArgs) -> int:
    """Start the server, if it is not running.

    The program is downloaded if none is found.
    """
    from qdrantctl.flows.project.local_server import start_server

    def show(text: str) -> None:
        click.echo(f"{text} …", err=True)

    _print_server(start_server(args.directory, show, args.wait_timeout))
    return 0


@dataclass(frozen=True, kw_only=True)
class DownArgs(DirectoryArgs):
    """The arguments of `dev down`."""


@define_command(
    DownArgs,
    parent=command,
    examples=(
        ("qdrantctl dev down", "Stop the server of the project in this folder."),
        ("qdrantctl dev down -C shop", "Stop the server of the project in the folder shop."),
    ),
)
@directory_options
def down(args: DownArgs) -> int:
    """Stop the server, and keep its data.

    Temporary servers that an interrupted `snapshots verify --scratch embedded` left behind are
    stopped and removed, too.
    """
    from qdrantctl.flows.project.local_server import stop_server

    was_running, removed = stop_server(args.directory)
    click.echo("stopped" if was_running else "was not running")
    if removed:
        click.echo(
            f"removed the servers of {removed} interrupted verification{'s' * (removed > 1)}"
        )
    return 0


@dataclass(frozen=True, kw_only=True)
class StatusArgs(DirectoryArgs):
    """The arguments of `dev status`."""


@define_command(
    StatusArgs,
    parent=command,
    examples=(
        ("qdrantctl dev status", "Show the server of the project in this folder."),
        ("qdrantctl dev status || qdrantctl dev up", "Start the server only if it is stopped."),
    ),
)
@directory_options
def status(args: StatusArgs) -> int:
    """Show whether the server is running.

    The exit code is 0 if it is, else 1.
    """
    from qdrantctl.flows.project.local_server import running_server

    server = running_server(args.directory)
    if server is None:
        click.echo("not running")
        return NOT_RUNNING
    _print_server(server)
    return 0


def _print_server(server: LocalServer) -> None:
    click.echo(f"url      {server.url}")
    click.echo(f"pid      {server.pid}")
    click.echo(f"version  {server.version or 'unknown'}")
    click.echo(f"storage  {server.folder / 'storage'}")
