"""`qdrantctl snapshots run | prune`: what snapshot policies ask, done and tidied up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.apply import PART_WAY, exit_code, report, stopping
from qdrantctl.cli.options import output_options, server_options, show, wants_colour
from qdrantctl.cli.plan import render
from qdrantctl.cli.plan_options import clear, on_call, progress, settings, starting

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.adapters.qdrant.client import Cluster
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.model.plan import Plan
    from qdrantctl.model.report import Outcome
    from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, VerificationResult

lease_option = click.option(
    "--lease-timeout",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait that long while another run is under way.",
)


def unread(words: dict[str, Any]) -> Settings:
    """The settings; no manifest is read, so none needs to be named."""
    return settings({**words, "files": ("-",)}, need_server=True)


@contextmanager
def at_work(
    cluster: Cluster, chosen: Settings, words: dict[str, Any], stop: Callable[[], bool]
) -> Iterator[Work]:
    """Work under the lease of snapshots, which applies do not wait for."""
    import os

    from qdrantctl.adapters.system.actor import identify
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.flows.lease import Wait, leased
    from qdrantctl.model.lease import of_snapshots

    identity = identify(chosen.root, os.environ)
    wait = Wait(words["lease_timeout"], lambda line: click.echo(line, err=True), stop)
    with leased(cluster, of_snapshots(chosen.owner), identity, wait) as fenced:
        yield Work(fenced, progress(words["verbose"]), stop, chosen.nodes)


@click.command("run")
@click.argument("policies", nargs=-1, metavar="[POLICY]…")
@click.option("--dry-run", is_flag=True, help="Show what is due and what would go; do nothing.")
@lease_option
@server_options
@output_options("text", "json", "markdown")
def run_policies(**words: Any) -> int:
    """Take the snapshots that are due.

    By the policies that were applied, and no others. Made to be called every few minutes. What was
    missed is caught up once, what a run that died has left is finished, and what retention no
    longer keeps is removed.
    """
    starting(words["verbose"])
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.flows.snapshots.policies.run import execute_run, plan_run
    from qdrantctl.render import text

    chosen = unread(words)
    with door(chosen, on_call(words["verbose"])) as cluster, stopping() as stop:
        say = progress(words["verbose"])
        made = plan_run(chosen, Work(cluster, say, stop, chosen.nodes), words["policies"])
        clear()
        if words["dry_run"]:
            _show_due(made.plan, words)
            return 0
        with at_work(cluster, chosen, words, stop) as work:
            planned = plan_run(chosen, work, words["policies"])
            met = execute_run(planned, work, _teller(words))
        clear()
        if words["output"] != "text":
            return report(met, words)
        show(text.ending(met, colour=wants_colour(sys.stdout, no_color=words["no_color"])))
        return exit_code(met)


def _show_due(made: Plan, words: dict[str, Any]) -> None:
    """Show what is due; where nothing is, when the next is, since no manifest was compared."""
    from qdrantctl.render import text

    if made.summary.changes or words["output"] == "json":
        show(render(made, {**words, "max_bytes": 65000}))
    else:
        show(text.idle(made))


@click.command("prune")
@click.argument("policies", nargs=-1, metavar="[POLICY]…")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option(
    "--orphan",
    "orphans",
    multiple=True,
    metavar="FOLDER",
    help="Remove this, too, which is no whole set or which no rule counts.",
)
@lease_option
@server_options
@output_options("text", "json")
def prune_sets(**words: Any) -> int:
    """Remove the sets that retention no longer keeps.

    What is no whole set is listed, and removed when it is named with --orphan; what is still
    unfinished also once a newer one was begun.
    """
    starting(words["verbose"])
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.flows.snapshots.policies.prune import plan_prune, prune
    from qdrantctl.render import json, text

    chosen, only, named = unread(words), words["policies"], words["orphans"]
    with door(chosen, on_call(words["verbose"])) as cluster, stopping() as stop:
        work = Work(cluster, progress(words["verbose"]), stop, chosen.nodes)
        going, loose = plan_prune(chosen, work, only, named)
        if going and not words["dry_run"]:
            with at_work(cluster, chosen, words, stop) as work:
                going, loose = plan_prune(chosen, work, only, named)
                prune(going, work)
        now = cluster.now
    clear()
    done, sets = "removed" if not words["dry_run"] else "to remove", [each.set for each in going]
    if words["output"] == "json":
        documents = {"removed": sets, "left": loose}
        show(json.document({k: [s.document(now) for s in v] for k, v in documents.items()}))
        return 0
    show(f"{done}:\n{text.sets(sets, now)}" if sets else "Nothing to remove.")
    if loose:
        show("no whole sets, of collections that are gone, or ahead of the clock; "
             "--orphan FOLDER removes one:")  # fmt: skip
        show(text.sets(loose, now))
    return 0


@click.command("verify")
@click.argument("policies", nargs=-1, metavar="[POLICY]…")
@click.option(
    "--scratch",
    type=click.Choice(("cluster", "embedded")),
    default="cluster",
    show_default=True,
    help="Where they are restored: beside what is there, or on servers of this machine.",
)
@lease_option
@server_options
@output_options("text", "json")
def verify_sets(**words: Any) -> int:
    """Restore the newest sets and compare.

    Of each collection one, into a collection that is deleted again. Points of each shard, settings,
    some points themselves and what queries find among them must be what they were. The result is
    written beside the set; exit code 6 where one is not good or could not be tried. With --scratch
    embedded nothing is restored in the cluster: all that is written there is the lease, and in the
    ledger the results of sets that are kept on the cluster. What an earlier verification has left,
    there or on this machine, is removed first.
    """
    starting(words["verbose"])
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.snapshots.policies.verify import verify
    from qdrantctl.render import json

    chosen, done = unread(words), []

    def tell(each: SnapshotSet, met: VerificationResult) -> None:
        clear()
        done.append({"destination": each.destination, "folder": each.folder,
                     **met.model_dump(mode="json")})  # fmt: skip
        if words["output"] == "text":
            show(f"{each.destination} {each.folder} {'is good' if met.good else 'is NOT good'}")
            for line in met.missed:
                show(f"  {line}")

    with door(chosen, on_call(words["verbose"])) as cluster, stopping() as stop:
        with at_work(cluster, chosen, words, stop) as work:
            embedded = words["scratch"] == "embedded"
            untried = verify(chosen, work, words["policies"], tell, embedded=embedded)
        clear()
        for line in untried:
            click.echo(f"Not verified: {line}", err=True)
        if words["output"] == "json":
            show(json.document({"verified": done, "untried": list(untried)}))
        elif not done and not untried:
            show("Nothing to verify.")
    return 0 if all(met["good"] for met in done) and not untried else PART_WAY


def _teller(words: dict[str, Any]) -> Callable[[Outcome], None]:
    def tell(outcome: Outcome) -> None:
        from qdrantctl.model.report import Status
        from qdrantctl.render import text

        if outcome.status is Status.NOOP:
            return
        clear()
        shown = sys.stdout if words["output"] == "text" else sys.stderr
        colour = wants_colour(shown, no_color=words["no_color"])
        show(text.outcome(outcome, colour=colour), err=shown is sys.stderr)

    return tell
