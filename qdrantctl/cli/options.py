"""Options that several commands share, with the arguments that they become."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import (
    BEFORE_COMMAND,
    CONSENT,
    FOLDER,
    OUTPUT,
    SERVER,
    Args,
    Decorator,
    add_options,
    option,
)
from qdrantctl.cli.output import DEFAULT_FORMAT, formats_of
from qdrantctl.render.shared.style import PLAIN

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.model.address import Address

FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, kw_only=True)
class DirectoryArgs(Args):
    """The folder of the project."""

    directory: Path


@dataclass(frozen=True, kw_only=True)
class EnvironmentArgs(DirectoryArgs):
    """The environment of the project."""

    environment: str | None


@dataclass(frozen=True, kw_only=True)
class ServerArgs(EnvironmentArgs):
    """The environment or server, for commands that read no manifests."""

    url: str | None

    def settings(self, *, need_server: bool = True, environment: str | None = None) -> Settings:
        """The settings that the options name, of `environment` if they name none."""
        return self._resolve(("-",), environment, need_server=need_server)

    def project_manifests(self) -> Settings:
        """The settings with the manifests of the project, without a server. Raises UsageError."""
        return self._resolve((), None, need_server=False)

    def _resolve(
        self, files: tuple[str, ...], environment: str | None, *, need_server: bool
    ) -> Settings:
        from datetime import date

        from qdrantctl.adapters.project.settings import resolve_settings

        return resolve_settings(
            directory=self.directory,
            files=files,
            url=self.url,
            environment=self.environment or environment,
            need_server=need_server,
            today=date.today(),
            environ=os.environ,
        )


@dataclass(frozen=True, kw_only=True)
class ProjectArgs(ServerArgs):
    """The manifests, and the environment or server."""

    files: tuple[str, ...]

    def settings(self, *, need_server: bool = True, environment: str | None = None) -> Settings:
        """The settings that the options name, of `environment` if they name none."""
        return self._resolve(self.files, environment, need_server=need_server)


@dataclass(frozen=True, kw_only=True)
class OutputArgs(Args):
    """The format of the output."""

    format: str
    no_color: bool
    verbose: int
    max_bytes: int = PLAIN.max_bytes
    details_url: str = PLAIN.details_url
    summary: bool = PLAIN.summary


@dataclass(frozen=True, kw_only=True)
class LeaseArgs(Args):
    """How long to wait for a lease."""

    lease_timeout: float


directory_options = add_options(
    option(*BEFORE_COMMAND["directory"], group=SERVER, default=".", metavar="DIR", type=FOLDER,
           help="Run as if started in DIR."),
)  # fmt: skip
environment_options = add_options(
    option(*BEFORE_COMMAND["environment"], "environment", group=SERVER,
           envvar="QDRANTCTL_ENV", show_envvar=True, metavar="NAME",
           help="Use the environment NAME of the project file."),
    directory_options,
)  # fmt: skip
server_options = add_options(
    option("--url", group=SERVER, metavar="URL",
           help="Use the server at URL instead of an environment's."),
    environment_options,
)  # fmt: skip
project_options = add_options(
    option("-f", "--file", "files", group=SERVER, multiple=True, metavar="FILE",
           help="Read manifests from FILE, a folder, or - for stdin, and delete nothing; "
                "repeatable."),
    server_options,
)  # fmt: skip
markdown_options = add_options(
    option("--max-bytes", group=OUTPUT, type=click.IntRange(min=200), default=PLAIN.max_bytes,
           show_default=True, metavar="N", help="Cut a markdown document to at most N bytes."),
    option("--details-url", group=OUTPUT, default="", metavar="URL",
           help="Where a markdown document that was cut is kept whole; its last line names it."),
)  # fmt: skip
auto_approve_option = option(
    "--auto-approve", group=CONSENT, is_flag=True, help="Skip the prompt for approval."
)


def lease_option(work: str) -> Decorator:
    """`--lease-timeout`; `work` is what may hold the lease."""
    return option("--lease-timeout", type=click.FloatRange(min=0), default=0, metavar="SECONDS",
                  help=f"Wait up to SECONDS while {work} is running.")  # fmt: skip


parallelism_option = option(
    "--parallelism", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
    help="Carry out at most N changes at once.",
)  # fmt: skip


def wait_timeout_option(help_text: str) -> Decorator:
    """`--wait-timeout`: how long to wait for what the server does in the background."""
    return option("--wait-timeout", type=click.FloatRange(min=0), metavar="SECONDS",
                  help=help_text)  # fmt: skip


progress_option = option(
    "--progress", group=OUTPUT, type=click.Choice(["auto", "json"]), default="auto",
    show_default=True, help="Print progress as bars on a terminal, or as JSON lines on stderr.",
)  # fmt: skip


def output_options(document: str = "") -> Decorator:
    """`--format` with every format that renders `document`, `--no-color` and `-v`.

    Without `document` the command prints lines of text only.
    """
    formats = formats_of(document) if document else (DEFAULT_FORMAT,)
    return add_options(
        option("--format", group=OUTPUT, type=click.Choice(formats), default=DEFAULT_FORMAT,
               show_default=True, help="Print the output in this format."),
        option("--no-color", group=OUTPUT, is_flag=True,
               help="Print without colour, even on a terminal."),
        option("-v", "--verbose", group=OUTPUT, count=True,
               help="Report more on stderr; -vv also every request."),
    )  # fmt: skip


class AddressType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """An address such as collection/products, as a value."""

    name = "address"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> Address:
        """Parse an address. Raises UsageError."""
        from qdrantctl.model.address import Address
        from qdrantctl.model.errors import UsageError

        if isinstance(value, Address):
            return value
        try:
            return Address.parse(str(value))
        except ValueError as error:
            raise UsageError(str(error)) from None
