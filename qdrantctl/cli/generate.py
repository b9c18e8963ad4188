"""`qdrantctl generate`: jobs that call `snapshots run` and `snapshots verify`."""

from __future__ import annotations

from typing import Any

import click

from qdrantctl.cli.options import server_options, show
from qdrantctl.cli.plan_options import settings

KINDS = ("cron", "systemd", "k8s-cronjob", "github-actions")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@server_options
def command(**words: Any) -> int:
    """Print the jobs of an environment that its snapshot policies need.

    They find credentials where their own tool keeps them, and hold none.
    """
    from qdrantctl.flows.generating.jobs import doubtful, generate

    chosen = settings({**words, "files": ("-",)}, need_server=False)
    show(generate(words["kind"], chosen, words["url"]))
    if told := doubtful(words["kind"]):
        click.echo(f"Warning: {told}", err=True)
    return 0
