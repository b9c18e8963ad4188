"""`qdrantctl plan`: show what apply would change."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from qdrantctl.cli.options import output_options, show, wants_colour
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
    from qdrantctl.model.plan import Plan

CHANGES, BLOCKED = 2, 3
GATED = frozenset({"QC214", "QC240"})
"""Rules that speak only where somebody asked for the gate, who wants its code then."""


@click.command()
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 on changes, 3 when blocked.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the plan, so that apply FILE does exactly this.",
)
@click.option("--offline", is_flag=True,
              help="Compare with the committed state; needs no server and no key.")  # fmt: skip
@click.option("--base", metavar="REF",
              help="With --offline: the state in that commit, else in HEAD.")  # fmt: skip
@click.option("--max-bytes", type=click.IntRange(min=200), default=65000, show_default=True,
              help="Largest size of the markdown format.")  # fmt: skip
@planning_options
@output_options("text", "json", "markdown")
def command(**words: Any) -> int:
    """Show what apply would change on the cluster. Reads only."""
    starting(words["verbose"])
    if words["offline"] or words["base"]:
        return _offline(words)
    from datetime import date

    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.lease import note
    from qdrantctl.flows.planning.plan import plan

    if words["out"]:
        from qdrantctl.adapters.project import plan_file

        plan_file.check(words["out"])
    wanted = wishes(words)
    chosen = settings(words, need_server=True)
    telling = progress(words["verbose"])
    try:
        with door(chosen, on_call(words["verbose"])) as cluster:
            made = plan(chosen, wanted, cluster, date.today(), telling).plan
            running = note(cluster, chosen.owner)
    finally:
        clear()
    if running:
        click.echo(f"Note: {running}", err=True)
    show(render(made, words))
    if words["out"]:
        _save(made, words["out"])
    gated = any(violation.rule in GATED for violation in made.blocking)
    return BLOCKED if gated else exit_code(made, detailed=words["detailed_exitcode"])


def _offline(words: dict[str, Any]) -> int:
    """The plan of manifests beside the committed state. Raises UsageError."""
    from datetime import date

    from qdrantctl.flows.planning.offline_plan import offline
    from qdrantctl.model.errors import UsageError

    if not words["offline"]:
        raise UsageError("--base names the state that --offline compares with")
    for flag in ("url", "out"):
        if words[flag]:
            raise UsageError(
                f"--{flag} is of no use with --offline: no server is asked, nothing can be applied",
                hint="Save what it shows with > FILE.",
            )
    wanted = wishes(words)
    chosen = settings(words, need_server=False)
    try:
        made = offline(chosen, wanted, words["base"], date.today())
    finally:
        clear()
    show(render(made, words))
    return exit_code(made, detailed=words["detailed_exitcode"])


def _save(made: Plan, path: Path) -> None:
    """Leave the plan for `apply FILE`."""
    from qdrantctl.adapters.project import plan_file
    from qdrantctl.render import json

    plan_file.write(path, json.plan(made))
    click.echo(f"Saved the plan to {path}. To do exactly this: qdrantctl apply {path}", err=True)


def render(made: Plan, words: dict[str, Any], stream: TextIO | None = None) -> str:
    """The plan in the format that was asked for, as `stream` (stdout) can show it."""
    if words["output"] == "json":
        from qdrantctl.render import json

        return json.plan(made)
    if words["output"] == "markdown":
        from qdrantctl.render import markdown

        return markdown.plan(made, max_bytes=words["max_bytes"])
    from qdrantctl.render import text

    return text.plan(made, colour=wants_colour(stream or sys.stdout, no_color=words["no_color"]))


def exit_code(made: Plan, *, detailed: bool) -> int:
    """The code of a plan that could be rendered; the same in every format."""
    if made.summary.refused:
        return BLOCKED
    if not detailed:
        return 0
    if made.blocking:
        return BLOCKED
    return CHANGES if made.summary.changes else 0
