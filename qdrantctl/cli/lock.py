"""`qdrantctl lock`: write the committed state, or check that it is up to date."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import EnvironmentArgs, environment_options
from qdrantctl.cli.terminal import notify

OUT_OF_DATE = 2
_FAULTS = {
    "changed": ("written", "differs from the manifests"),
    "missing": ("written", "missing"),
    "left over": ("removed", "orphaned, no manifest declares it"),
}
"""State of a file -> what is printed after it was corrected, and what in a check."""


@dataclass(frozen=True, kw_only=True)
class LockArgs(EnvironmentArgs):
    """The arguments of `lock`."""

    check_only: bool


@define_command(
    LockArgs,
    examples=(
        ("qdrantctl lock", "Write the committed state of every environment."),
        ("qdrantctl lock --check", "Check in a pipeline that it is up to date."),
    ),
)
@option("--check", "check_only", is_flag=True,
        help="Write nothing; exit with 2 if the committed state is out of date.")  # fmt: skip
@environment_options
def command(args: LockArgs) -> int:
    """Write or check the committed state, without a server.

    The committed state of an environment is in state/ENVIRONMENT, a file for each resource; commit
    it with the manifests. Without --env, every environment is written.
    """
    from datetime import date

    from qdrantctl.flows.project.lock import lock_environments

    directory, check_only = args.directory, args.check_only
    environments = lock_environments(
        directory, args.environment, date.today(), os.environ, check_only=check_only
    )
    out_of_date = False
    for environment in environments:
        if environment.state is None:
            if len(environments) == 1:
                notify(f"No committed state: {environment.why}.")
            continue
        folder = environment.state.shown
        for name, fault in environment.stale.items():
            click.echo(f"{folder}/{name}: {_FAULTS[fault][check_only]}")
        if not environment.stale:
            click.echo(f"{folder}: up to date")
        out_of_date |= bool(environment.stale)
    if out_of_date and check_only:
        notify("Run qdrantctl lock, and commit the files that it writes.")
        return OUT_OF_DATE
    return 0
