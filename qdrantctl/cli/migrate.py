"""`qdrantctl migrate`: write manifests in the spelling of a newer Qdrant."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import OutputArgs, ServerArgs, output_options, server_options
from qdrantctl.cli.output import print_document
from qdrantctl.cli.terminal import notify

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings

TO_EDIT = 2


@dataclass(frozen=True, kw_only=True)
class MigrateArgs(ServerArgs, OutputArgs):
    """The arguments of `migrate`."""

    paths: tuple[str, ...]
    to_memory: bool
    check_only: bool
    rebuild: bool

    def check(self) -> None:
        """Raise UsageError if no migration is named."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if not self.to_memory:
            raise UsageError("name what to migrate to", hint="There is one: --to-memory.")

    def environments(self) -> list[Settings]:
        """The settings of the environment that is named, else those of every one."""
        from qdrantctl.adapters.project.settings import find_project_file, list_environments

        directory = Path(os.path.abspath(self.directory))  # noqa: PTH100  # as the project is found
        names: tuple[str | None, ...] = (self.environment,)
        if not (self.environment or self.url or find_project_file(directory) is None):
            names = list_environments(directory) or names
        return [self._settings_of(name) for name in names]

    def _settings_of(self, environment: str | None) -> Settings:
        """The settings of an environment, without a server if its key or address is not there."""
        from qdrantctl.model.errors import SettingsError, UsageError

        try:
            return self._resolve(self.paths, environment, need_server=True)
        except (SettingsError, UsageError):
            return self._resolve(self.paths, environment, need_server=False)


@define_command(
    MigrateArgs,
    examples=(
        ("qdrantctl migrate --to-memory --check", "Show what would be rewritten."),
        ("qdrantctl migrate --to-memory manifests/products.yaml -e prod",
         "Rewrite one file, if the server of prod knows `memory`."),
    ),
)  # fmt: skip
@click.argument("paths", metavar="[PATH]…", nargs=-1)
@option("--to-memory", is_flag=True,
        help="Write memory instead of on_disk, on_disk_payload and always_ram (Qdrant "
             "1.19).")  # fmt: skip
@option("--check", "check_only", is_flag=True,
        help="Write nothing; print the differences, and exit with 2 if there are any.")  # fmt: skip
@option("--rebuild", is_flag=True,
        help="Also rewrite fields whose new spelling makes the server quantize or index "
             "again.")  # fmt: skip
@server_options
@output_options("migration")
def command(args: MigrateArgs) -> int:
    """Write manifests in the spelling of a newer Qdrant.

    Rewrites the files at PATH, or all manifests of the project, in place. Comments, order and all
    other bytes stay. The plan after it changes nothing on the cluster. With --rebuild it shows
    what the server builds again.

    The server of the environment, or of every one, must be 1.19.0 or newer; one that cannot be
    reached is named, and does not stop the command. Fields that a template or an anchor states are
    named and left as they are, and the exit code is 2.
    """
    from qdrantctl.flows.migrate import migrate_to_memory, read_server_versions

    environments = args.environments()
    for name, why in read_server_versions(environments).items():
        notify(f"Note: the version of the server of {name} is not known ({why}).")
    report = migrate_to_memory(environments, rebuild=args.rebuild, check=args.check_only)
    print_document("migration", report, args)
    would_change = args.check_only and report.files
    return TO_EDIT if would_change or not report.is_complete else 0
