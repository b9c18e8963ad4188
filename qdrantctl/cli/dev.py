"""`qdrantctl dev up | down | status | env`: a real Qdrant on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import BEFORE_COMMAND, SERVER, define_command, option
from qdrantctl.cli.options import (
    DirectoryArgs,
    EnvironmentArgs,
    directory_options,
    wait_timeout_option,
)
from qdrantctl.model.errors import UsageError

if TYPE_CHECKING:
    from qdrantctl.flows.project.local_server import LocalServer

NOT_RUNNING = 1


@click.group()
def command() -> None:
    """Run a real Qdrant server on this machine.

    It serves environments with `url: embedded`, listens on loopback only, and keeps its data in
    .qdrantctl/ beside the project file. It runs until `dev down`; commands that need it, including
    plan and drift, start it automatically. The program is the one that QDRANTCTL_QDRANT_BIN names,
    else `qdrant` on PATH, else a pinned npm package. If the environment states a `version`, each
    must have it, and docker or podman run Qdrant's image of it.
    """


@dataclass(frozen=True, kw_only=True)
class UpArgs(EnvironmentArgs):
    """The arguments of `dev up`."""

    api_key: bool | None
    jwt: bool | None
    wait_timeout: float | None

    def check(self) -> None:
        """Raise UsageError for tokens without a key."""
        if self.jwt and self.api_key is False:
            raise UsageError("--jwt needs an API key, which --no-api-key takes away")


@define_command(
    UpArgs,
    parent=command,
    examples=(
        ("qdrantctl dev up", "Start the server of the project in this folder."),
        ("qdrantctl dev up -C shop", "Start the server of the project in the folder shop."),
        ("qdrantctl dev up --api-key --jwt", "Start it with a key, and let it accept tokens."),
    ),
)
@option("--api-key/--no-api-key", "api_key", default=None,
        help="Require a random API key, which is kept in .qdrantctl/ and used by every command. "
             "By default as at the last start.")  # fmt: skip
@option("--jwt/--no-jwt", "jwt", default=None,
        help="Also accept tokens that `keys issue` signs; needs an API key, and makes one. By "
             "default as at the last start.")  # fmt: skip
@wait_timeout_option("Wait at most SECONDS (default 60) until the server has loaded its data.")
@option(*BEFORE_COMMAND["environment"], "environment", group=SERVER, metavar="NAME",
        help="Take the `version` of the embedded environment NAME.")  # fmt: skip
@directory_options
def up(args: UpArgs) -> int:
    """Start the server, if it is not running.

    The program is downloaded, or the image pulled, if none is found. The embedded environments of a
    project share one server; -e is needed only if they state different versions.
    """
    from qdrantctl.flows.project.local_server import AccessChange, start_server

    def show(text: str) -> None:
        click.echo(f"{text} …", err=True)

    access = AccessChange(args.api_key, args.jwt)
    _print_server(start_server(args.directory, args.environment, access, show, args.wait_timeout))
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


@dataclass(frozen=True, kw_only=True)
class EnvArgs(DirectoryArgs):
    """The arguments of `dev env`."""


@define_command(
    EnvArgs,
    parent=command,
    examples=(
        ("qdrantctl dev env", "Print the address and the key of the server."),
        ("qdrantctl dev env -C shop", "The same for the project in the folder shop."),
    ),
)
@directory_options
def env(args: EnvArgs) -> int:
    """Print QDRANT_URL and QDRANT_API_KEY of the running server, one a line.

    The only command that prints the API key. The exit code is 1 if the server is not running.
    """
    from qdrantctl.flows.project.local_server import running_server

    server = running_server(args.directory)
    if server is None:
        click.echo("not running", err=True)
        return NOT_RUNNING
    click.echo(f"QDRANT_URL={server.url}")
    if server.access.api_key:
        click.echo(f"QDRANT_API_KEY={server.access.api_key}")
    return 0


def _print_server(server: LocalServer) -> None:
    click.echo(f"url      {server.url}")
    click.echo(f"pid      {server.pid}")
    click.echo(f"version  {server.version or 'unknown'}")
    click.echo(f"access   {server.access}")
    click.echo(f"storage  {server.folder / 'storage'}")
