"""Options that several commands share, and how output looks. Imports click only."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TextIO

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def wants_colour(stream: TextIO, *, no_color: bool = False) -> bool:
    """Colour only on a terminal; `NO_COLOR` turns it off, `FORCE_COLOR` on."""
    if no_color or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return stream.isatty()


def show(text: str, *, err: bool = False) -> None:
    """Print what a renderer made. Whether it is coloured was decided there; click asks again."""
    click.echo(text, nl=not text.endswith("\n"), err=err, color=True)


def project_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the manifests are, and which environment is meant."""
    return server_options(
        click.option("-f", "--file", "files", multiple=True, metavar="FILE",
                     help="Manifest file, folder, or - for stdin; repeatable. Deletes nothing.")
        (function)
    )  # fmt: skip


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which environment or server is meant."""
    return environment_options(
        click.option("--url", metavar="URL", help="Server to use without an environment.")
        (function)
    )  # fmt: skip


def environment_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which environment of the project is meant."""
    for option in (
        click.option("-e", "--env", "environment", envvar="QDRANTCTL_ENV", show_envvar=True,
                     metavar="NAME",
                     help="Environment of the project file."),
        click.option("-C", "--directory", default=".", metavar="DIR",
                     type=click.Path(file_okay=False, exists=True),
                     help="Run as if started in DIR."),
    ):  # fmt: skip
        function = option(function)
    return function


def output_options(*formats: str) -> Decorator:
    """`--format` with the first as default, `--no-color` and `-v`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("-v", "--verbose", count=True,
                         help="Tell more on stderr; -vv every request."),
            click.option("--no-color", is_flag=True, help="No colour, even on a terminal."),
            click.option("--format", "output", type=click.Choice(formats), default=formats[0],
                         show_default=True, help="Output format."),
        ):  # fmt: skip
            function = option(function)
        return function

    return decorate
