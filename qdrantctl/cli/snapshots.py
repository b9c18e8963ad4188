"""`qdrantctl snapshots restore | list`: the way back from what destroyed points."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.apply import approved, exit_code, report, stopping
from qdrantctl.cli.options import output_options, server_options, show, wants_colour
from qdrantctl.cli.plan import render
from qdrantctl.cli.plan_options import clear, consented, on_call, progress, settings, starting
from qdrantctl.cli.snapshot_policies import prune_sets, run_policies, verify_sets

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.adapters.qdrant.client import Cluster
    from qdrantctl.flows.snapshots.restore.plan import Restoring
    from qdrantctl.model.client import NodeDoor
    from qdrantctl.model.report import Report


@click.group()
def command() -> None:
    """Sets of snapshot policies, snapshots taken before points were destroyed, and the way back."""


@command.command("restore")
@click.argument("snapshot", metavar="ADDRESS[@ID]")
@click.option("--from", "source", metavar="DESTINATION",
              help="A set that a policy has put there; no project is needed.")  # fmt: skip
@click.option("--at", metavar="TIME", help="With --from: the last one not later than that.")
@click.option("--as", "name", metavar="NAME",
              help="Name of the new collection; else OLD-restored-TIME.")  # fmt: skip
@click.option("--allow-replace", "replace", multiple=True, metavar="ADDRESS",
              help="With --as: what stands there is replaced, after a snapshot of it.")  # fmt: skip
@click.option("--with-aliases", is_flag=True,
              help="Put the aliases that stood for it then at the new collection.")  # fmt: skip
@click.option("--node", "nodes", multiple=True, metavar="URL",
              help="With --url, for a cluster: each node's own address.")  # fmt: skip
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--lease-timeout", type=click.FloatRange(min=0), default=0, metavar="SECONDS",
              help="Wait that long while an apply is running.")  # fmt: skip
@server_options
@output_options("text", "json", "markdown")
def restore_snapshot(**words: Any) -> int:
    """Make a new collection of a snapshot.

    Of the latest of ADDRESS, or of the one with ID.
    What is there is left as it is, unless it is named with --allow-replace. Points, shards and
    settings are compared with what they were when the snapshot was taken.
    """
    starting(words["verbose"])
    import os
    from datetime import UTC, datetime

    from qdrantctl.adapters.project.settings import with_nodes
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.model.errors import UsageError

    if not words["auto_approve"] and not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask on, and --auto-approve was not given",
            hint="Look at `qdrantctl snapshots list` first.",
        )
    chosen = with_nodes(_settings(words), words["nodes"], words["url"], os.environ)
    with door(chosen, on_call(words["verbose"])) as cluster:
        now = datetime.now(UTC)
        made = _restoring(chosen, cluster, words, words["name"], now)
        clear()
        shown = sys.stdout if words["output"] == "text" else sys.stderr
        show(render(made.plan, {**words, "output": "text"}, shown), err=shown is sys.stderr)
        if not words["auto_approve"] and not approved(made.plan, "Restore"):
            return 1
        with stopping() as stop:
            return _told(_under_the_lease(made, chosen, cluster, stop, words), made, words)


def _restoring(
    chosen: Settings, door: NodeDoor, words: dict[str, Any], name: str | None, now: datetime
) -> Restoring:
    """What restoring would do, from the ledger's snapshots or from a destination."""
    from qdrantctl.engine.snapshots.policy_status import SCRATCH
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.flows.planning.plan import Wishes, allows
    from qdrantctl.flows.snapshots.restore import from_set as restore_set
    from qdrantctl.flows.snapshots.restore import plan as restore
    from qdrantctl.flows.snapshots.restore.target import Wish
    from qdrantctl.model.errors import UsageError
    from qdrantctl.model.snapshots.snapshot_set import parse_time

    if (name or "").startswith(SCRATCH):
        raise UsageError(
            f"--as {name}: names that begin with {SCRATCH} are deleted when a set is verified"
        )
    may = allows(chosen, Wishes(consents=consented(words, "replace")))
    wish = Wish(name, lambda address: may("replace", address), words["with_aliases"])
    if not words["source"]:
        if words["at"]:
            raise UsageError("--at goes with --from DESTINATION")
        return restore.restoring(chosen, door, words["snapshot"], wish, now)
    try:
        at = parse_time(words["at"]) if words["at"] else None
    except ValueError:
        raise UsageError(
            f"--at {words['at']!r} is no time", hint="As in 2026-11-25T03:00:00Z."
        ) from None
    work = Work(door, lambda _: None, lambda: False, chosen.nodes)
    found = restore_set.select_set(chosen, work, words["snapshot"], words["source"], at, now)
    return restore_set.restoring(chosen, work, found, wish, now)


def _under_the_lease(
    made: Restoring,
    chosen: Settings,
    cluster: Cluster,
    stop: Callable[[], bool],
    words: dict[str, Any],
) -> Report:
    """Take both leases, see that nothing has changed meanwhile, and carry it out.

    An apply would take what is half there for the collection; a run of policies, too, and might
    remove the set that is being restored.
    """
    import os
    from datetime import UTC, datetime

    from qdrantctl.adapters.system.actor import identify
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.flows.lease import Wait, leased
    from qdrantctl.flows.snapshots.restore.run import restore
    from qdrantctl.model.errors import StaleError
    from qdrantctl.model.lease import of_snapshots

    identity = identify(chosen.root, os.environ)
    wait = Wait(words["lease_timeout"], lambda line: click.echo(line, err=True), stop)
    snapshots = of_snapshots(chosen.owner)
    with (
        leased(cluster, snapshots, identity, wait),
        leased(cluster, chosen.owner, identity, wait) as fenced,
    ):
        snapshot = f"collection/{made.step.collection}@{made.step.snapshot}"
        exact = words | {"snapshot": snapshot, "at": None}
        again = _restoring(chosen, fenced, exact, made.step.name, datetime.now(UTC))
        if again.approved != made.approved:
            raise StaleError(
                "the cluster has changed since; nothing was done", hint="Restore again."
            )
        try:
            return restore(again, Work(fenced, progress(words["verbose"]), stop), identity)
        finally:
            clear()


def _told(met: Report, made: Restoring, words: dict[str, Any]) -> int:
    """Print what became of it and, where it was done, what else is to be known."""
    from qdrantctl.render import text

    if words["output"] == "text":
        for outcome in met.outcomes:
            show(text.outcome(outcome, colour=wants_colour(sys.stdout, no_color=words["no_color"])))
    else:
        report(met, words)
    if met.complete:
        left = [alias for alias in made.taken.aliases if alias not in made.standing.aliases]
        told = text.restored(made.step.name, made.taken, left, managed=made.standing.ours)
        show(told, err=words["output"] != "text")
    elif words["output"] == "text":
        show(text.ending(met, colour=wants_colour(sys.stdout, no_color=words["no_color"])))
    if backs := text.ways_back(met):
        show(backs, err=words["output"] != "text")
    return exit_code(met)


@command.command("list")
@click.argument("address", required=False)
@click.option("--from", "source", metavar="DESTINATION",
              help="Only what is there, whoever put it there; no server is asked. `cluster`: "
                   "what this project's policies left on the servers, applied or not.")  # fmt: skip
@server_options
@output_options("text", "json")
def list_snapshots(**words: Any) -> int:
    """Show all that there is to restore.

    Sets at the destinations of policies, then what else the ledger and the servers tell of.
    """
    starting(words["verbose"])
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.flows.snapshots.listing import listed
    from qdrantctl.flows.snapshots.policies.status import list_policy_sets
    from qdrantctl.flows.snapshots.sets.catalog import files_of_no_set
    from qdrantctl.flows.snapshots.sets.destination import list_cluster_sets, list_sets_at
    from qdrantctl.model.address import Address
    from qdrantctl.model.errors import UsageError
    from qdrantctl.model.snapshots.destination import CLUSTER
    from qdrantctl.render import json, text

    try:
        only = Address.parse(words["address"]) if words["address"] else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    found: tuple[Any, ...] = ()
    unseen: tuple[str, ...] = ()
    if words["source"] not in (None, CLUSTER):
        from datetime import UTC, datetime

        sets, now = tuple(list_sets_at(words["source"])), datetime.now(UTC)
    else:
        chosen = _settings(words)
        with door(chosen, on_call(words["verbose"])) as cluster:
            work = Work(cluster, progress(words["verbose"]), lambda: False, chosen.nodes)
            if words["source"]:
                sets = tuple(list_cluster_sets(chosen, work))
            else:
                found, unread = listed(cluster, chosen.nodes, only)
                sets, unseen = list_policy_sets(chosen, work)
                unseen = (*unread, *unseen)
            now = cluster.now
        for line in unseen:
            click.echo(f"Warning: {line}", err=True)
    clear()
    if only:
        sets = tuple(s for s in sets if s.info.collection == only.name)
    if words["output"] == "json":
        about = {"snapshots": [each.model_dump(mode="json") for each in found]}
        show(json.document(about | {"sets": [each.document(now) for each in sets]}))
        return 0
    others = files_of_no_set(found, sets)
    if sets:
        show(text.sets(sets, now))
    if sets and others:
        show("\nSnapshots of no set, taken before points were destroyed or by somebody else:")
    if others or not sets:
        show(text.snapshots(others))
    return 0


def _settings(words: dict[str, Any]) -> Settings:
    """The settings; no manifest is read, so none needs to be named."""
    return settings({**words, "files": ("-",)}, need_server=True)


command.add_command(run_policies)
command.add_command(prune_sets)
command.add_command(verify_sets)
