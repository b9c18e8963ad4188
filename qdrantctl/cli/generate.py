"""`qdrantctl generate`: jobs that call `snapshots run` and `snapshots verify`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from qdrantctl.cli.command import define_command
from qdrantctl.cli.options import ServerArgs, server_options
from qdrantctl.cli.output import print_output
from qdrantctl.cli.terminal import notify

KINDS = ("cron", "systemd", "k8s-cronjob", "github-actions")


@dataclass(frozen=True, kw_only=True)
class GenerateArgs(ServerArgs):
    """The arguments of `generate`."""

    kind: str


@define_command(
    GenerateArgs,
    examples=(
        ("qdrantctl generate cron -e prod", "Print lines for a crontab."),
        ("qdrantctl generate k8s-cronjob -e prod", "Print CronJobs for Kubernetes."),
    ),
)
@click.argument("kind", type=click.Choice(KINDS))
@server_options
def command(args: GenerateArgs) -> int:
    """Print jobs that run snapshot policies on a schedule.

    The jobs call `snapshots run` and `snapshots verify`. They hold no credentials: each reads them
    from where its scheduler keeps secrets.
    """
    from qdrantctl.flows.generating.jobs import destination_warning, generate

    settings = args.settings(need_server=False)
    print_output(generate(args.kind, settings, args.url))
    if warning := destination_warning(args.kind):
        notify(f"Warning: {warning}")
    return 0
