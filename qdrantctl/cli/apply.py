"""`qdrantctl apply`: plan, ask, carry out, read back."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import output_options, show, wants_colour
from qdrantctl.cli.plan import render
from qdrantctl.cli.plan_options import (
    clear,
    on_call,
    planning_options,
    progress,
    settings,
    starting,
    wishes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.adapters.qdrant.client import Cluster
    from qdrantctl.flows.planning.plan import Planned, Wishes
    from qdrantctl.flows.state.desired import Desired
    from qdrantctl.model.actor import Identity
    from qdrantctl.model.address import Address
    from qdrantctl.model.client import Door, NodeDoor
    from qdrantctl.model.plan import Plan
    from qdrantctl.model.report import Outcome, Report

BLOCKED, PART_WAY, INTERRUPTED = 3, 6, 130


@click.command()
@click.argument("planfile", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--lease-timeout", type=click.FloatRange(min=0), default=0, metavar="SECONDS",
              help="Wait that long while another apply is running.")  # fmt: skip
@click.option(
    "--locked/--no-locked",
    default=None,
    help="Refuse (2) committed state that is not current, or refresh it; the first "
    "always in a protected environment that has state.",
)
@click.option("--wait", is_flag=True, help="Wait until re-indexing has ended.")
@click.option("--receipt", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Leave the report there, as JSON.")  # fmt: skip
@planning_options
@output_options("text", "json", "markdown")
def command(**words: Any) -> int:
    """Carry out what plan shows, and read back that the server took it.

    With PLANFILE, saved by plan --out, exactly that plan: it is the approval, and nothing is done
    when anything moved since.

    One apply of a project's environment runs at a time; while another does, this one ends with 5.
    """
    starting(words["verbose"])
    from qdrantctl.flows.cluster.connect import door

    saved = _saved(words)
    if not (saved or words["auto_approve"] or sys.stdin.isatty()):
        from qdrantctl.model.errors import UsageError

        raise UsageError(
            "there is no terminal to ask on, and --auto-approve was not given",
            hint="Look at qdrantctl plan first, then apply with --auto-approve.",
        )
    _check_receipt(words)
    wanted = wishes(words)
    chosen = settings(words, need_server=True)
    read = _settled(saved, chosen, words)
    with door(chosen, on_call(words["verbose"])) as cluster:
        planned = _planned(saved, chosen, wanted, cluster, words, read)
        _show(planned, words)
        if not planned.plan.summary.changes:
            return report(_nothing(planned), words)
        if not (saved or words["auto_approve"] or approved(planned.plan)):
            return 1

        def again(door: NodeDoor) -> Planned:
            return _planned(saved, chosen, wanted, door, words, planned.desired)

        with stopping() as stop:
            met = _under_the_lease(planned, again, cluster, stop, words)
            code = report(met, words)
            if words["wait"] and not code:
                code = _wait(met, cluster, stop)
        return code


def _check_receipt(words: dict[str, Any]) -> None:
    """Whether the receipt can be left, before anything is changed. Raises QdrantctlError."""
    if words["receipt"]:
        from qdrantctl.adapters.project import plan_file

        plan_file.check(words["receipt"])


def _saved(words: dict[str, Any]) -> Plan | None:
    """The plan of PLANFILE, and its environment where none is stated. Raises UsageError."""
    path: Path | None = words["planfile"]
    if path is None:
        return None
    from qdrantctl.adapters.project import plan_file
    from qdrantctl.cli.plan_options import shaping
    from qdrantctl.model.errors import UsageError
    from qdrantctl.model.field_rule import ABSENT

    if given := shaping(words):
        raise UsageError(
            f"{given[0]} shapes a plan, and {path} is one already",
            hint=f"Leave {', '.join(given)} out, or plan again with it.",
        )
    saved = plan_file.read(path)
    if saved.offline is not ABSENT:
        raise UsageError(
            f"{path} was compared with committed state, and not with a cluster",
            hint="Plan again without --offline.",
        )
    if not words["url"] and not words["environment"] and saved.environment != "-":
        words["environment"] = saved.environment
    return saved


def _settled(saved: Plan | None, chosen: Settings, words: dict[str, Any]) -> Desired | None:
    """What the manifests ask, the committed state current. A saved plan needs neither, unlocked."""
    from qdrantctl.flows.state.committed import always_locked, settled

    locked = words["locked"]
    if saved and not (locked or always_locked(chosen)):
        return None
    progress(words["verbose"])("reading manifests")
    try:
        wanted, told = settled(chosen, locked=locked)
    finally:
        clear()
    if told:
        click.echo(f"Note: {told}", err=True)
    return wanted


def _planned(
    saved: Plan | None,
    chosen: Settings,
    wanted: Wishes,
    door: NodeDoor,
    words: dict[str, Any],
    read: Desired | None,
) -> Planned:
    """The saved plan, when it still fits, or one made now of the manifests that were `read`."""
    from datetime import date

    from qdrantctl.flows.planning.plan import plan_for

    today, telling = date.today(), progress(words["verbose"])
    try:
        if saved:
            from qdrantctl.flows.planning.saved_plan import revive

            return revive(saved, chosen, door, today, telling)
        assert read is not None
        return plan_for(read, chosen, wanted, door, today, telling)
    finally:
        clear()


def _under_the_lease(
    planned: Planned,
    again: Callable[[NodeDoor], Planned],
    cluster: Cluster,
    stop: Callable[[], bool],
    words: dict[str, Any],
) -> Report:
    """Take the lease, plan again, since another apply may just have ended, and carry it out."""
    import os

    from qdrantctl.adapters.system.actor import identify
    from qdrantctl.flows.lease import Wait, leased
    from qdrantctl.model.errors import StaleError

    chosen = planned.settings
    identity = identify(chosen.root, os.environ)
    wait = Wait(words["lease_timeout"], lambda line: click.echo(line, err=True), stop)
    with leased(cluster, chosen.owner, identity, wait) as fenced:
        now = again(fenced)
        if now.plan.changes != planned.plan.changes or not now.plan.applicable:
            if not words["auto_approve"]:
                raise StaleError(
                    "the cluster has changed since you said yes; nothing was done",
                    hint="Apply again, and look at what is planned now.",
                )
            click.echo("The cluster has changed since; this is planned now:", err=True)
            _show(now, words)
        if not now.plan.summary.changes:
            return _nothing(now)
        return _execute(now, fenced, identity, stop, words)


def _show(planned: Planned, words: dict[str, Any]) -> None:
    """Show the plan, for the person only where stdout is for the report. Raises BlockedError."""
    shown = sys.stdout if words["output"] == "text" else sys.stderr
    text = render(planned.plan, {**words, "output": "text"}, shown)
    show(text, err=shown is sys.stderr)
    _refuse(planned.plan)


def _refuse(made: Plan) -> None:
    """Stop when the plan may not be applied: one blocked change blocks all.

    Raises StaleError for a checkout that is too old, else BlockedError.
    """
    from qdrantctl.flows.state.checkout_age import OLDER
    from qdrantctl.model.errors import BlockedError, StaleError

    if behind := [found for found in made.blocking if found.rule == OLDER]:
        raise StaleError(
            "this checkout does not contain what was applied; nothing was done",
            why="\n  ".join(found.message for found in behind),
            hint=behind[0].hint,
        )
    if not made.applicable:
        raise BlockedError(
            "this plan cannot be applied; nothing was done",
            hint="Resolve what is told above, or leave a change out with --exclude ADDRESS.",
        )


def approved(made: Plan, verb: str = "Apply") -> bool:
    """Ask for `yes` on the terminal, naming whose resources change and where."""
    click.echo(f"\n{verb} this to {made.owner} on {made.server.url}?", err=True)
    click.echo("  Only 'yes' is taken as approval.", err=True)
    answer = click.prompt("  Enter a value", default="", show_default=False, err=True)
    if answer != "yes":
        click.echo(f"{verb} cancelled; nothing was done.", err=True)
        return False
    return True


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM ask to stop after the request in flight; a second one is the same."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if not asked:
            click.echo("Stopping after the request in flight …", err=True)
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _execute(
    planned: Planned,
    door: NodeDoor,
    identity: Identity,
    stop: Callable[[], bool],
    words: dict[str, Any],
) -> Report:
    from qdrantctl.flows.applying.bookkeeping import apply_plan
    from qdrantctl.flows.cluster.nodes import Work
    from qdrantctl.model.report import Status
    from qdrantctl.render import text

    colour = wants_colour(sys.stderr, no_color=words["no_color"])
    telling = progress(words["verbose"])

    def tell(outcome: Outcome) -> None:
        if outcome.status is Status.NOT_REACHED:
            return  # the report lists them, once
        clear()
        show(text.outcome(outcome, colour=colour), err=True)

    return apply_plan(planned, Work(door, telling, stop), identity, tell)


def _nothing(planned: Planned) -> Report:
    """The report of a plan without changes."""
    from qdrantctl.model.report import Report

    return Report.of(planned.plan)


def report(met: Report, words: dict[str, Any]) -> int:
    """Print the report and leave the receipt; the code is the same in every format."""
    if words.get("receipt"):
        from qdrantctl.adapters.project import plan_file
        from qdrantctl.render import json

        plan_file.write(words["receipt"], json.report(met))
    if words["output"] == "json":
        from qdrantctl.render import json

        show(json.report(met))
    elif words["output"] == "markdown":
        from qdrantctl.render import markdown

        show(markdown.report(met))
    elif met.outcomes:
        from qdrantctl.render import text

        colour = wants_colour(sys.stdout, no_color=words["no_color"])
        show(text.report(met, colour=colour))
    return exit_code(met)


def exit_code(met: Report) -> int:
    """The code of what became of a plan; the same in every format."""
    if met.interrupted and not met.complete:
        return INTERRUPTED
    return 0 if met.complete else PART_WAY


def _wait(report: Report, door: Door, stop: Callable[[], bool]) -> int:
    """Wait for re-indexing, telling how far it is."""
    from qdrantctl.flows.cluster.indexing import wait_green
    from qdrantctl.model.address import Address
    from qdrantctl.model.change import Action
    from qdrantctl.model.report import Status

    touched = [
        Address.parse(outcome.address)
        for outcome in report.outcomes
        if outcome.status is Status.DONE
        and outcome.action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.ADOPT)
        and outcome.address.startswith("collection/")
    ]
    last: dict[Address, str] = {}

    def told(address: Address, status: str, indexed: int, points: int) -> None:
        words = f"{address}: {status}, {indexed:,} of {points:,} points indexed"
        if last.get(address) == words:
            return
        last[address] = words
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[2K{words}", nl=False, err=True)
        else:
            click.echo(words, err=True)

    left = wait_green(door, touched, told, stop)
    clear()
    for address, status in left.items():
        click.echo(f"{address} is {status}, not green.", err=True)
    if stop():
        return INTERRUPTED
    return PART_WAY if left else 0
