"""`qdrantctl lease show | break`: who is applying."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import output_options, server_options, show
from qdrantctl.cli.plan_options import on_call, settings

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings


@click.group()
def command() -> None:
    """Who is applying: one apply of a project's environment runs at a time.

    An apply that dies leaves its lease behind; it can be taken over two minutes later.
    """


@command.command("show")
@server_options
@output_options("text", "json")
def show_lease(**words: Any) -> int:
    """Show who holds the lease of this project and environment, and who that of its snapshots."""
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.lease import current
    from qdrantctl.model.lease import of_snapshots
    from qdrantctl.render import json, text

    chosen = _settings(words)
    with door(chosen, on_call(words["verbose"])) as cluster:
        lease = current(cluster, chosen.owner)
        beside = current(cluster, of_snapshots(chosen.owner))
        now = cluster.now
    if words["output"] == "json":
        found = lease.document(now) if lease else None
        more = {"snapshots": beside.document(now)} if beside else {}
        show(json.document({"owner": chosen.owner, "lease": found, **more}))
    else:
        show(text.lease(chosen.owner, lease, now))
        if beside:
            show("\n" + text.lease(beside.owner, beside, now))
    return 0


@command.command("break")
@click.argument("lease", metavar="ID")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@server_options
@output_options("text")
def break_lease(**words: Any) -> int:
    """Break the lease ID, its number or its collection's name; its holder stops.

    A request that it has sent already may still take effect.
    """
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.lease import broken, named
    from qdrantctl.model.errors import UsageError

    if not words["auto_approve"] and not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask on, and --auto-approve was not given",
            hint="Look at `qdrantctl lease show` first.",
        )
    chosen = _settings(words)
    with door(chosen, on_call(words["verbose"])) as cluster:
        lease = named(cluster, chosen.owner, words["lease"])
        if not words["auto_approve"]:
            click.echo(f"Break the lease {lease.name} of {lease.who}?", err=True)
            click.echo(
                f"  That {lease.work} stops half way. Only 'yes' is taken as approval.", err=True
            )
            answer = click.prompt("  Enter a value", default="", show_default=False, err=True)
            if answer != "yes":
                click.echo("Cancelled; nothing was done.", err=True)
                return 1
        broken(cluster, lease)
    click.echo(f"broke {lease.name}, held by {lease.who}")
    return 0


def _settings(words: dict[str, Any]) -> Settings:
    """The settings; no manifest is read, so none needs to be named."""
    return settings({**words, "files": ("-",)}, need_server=True)
