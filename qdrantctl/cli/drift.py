"""`qdrantctl drift`: what moved on the cluster since it was applied."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import output_options, project_options, show, wants_colour
from qdrantctl.cli.plan_options import clear, on_call, progress
from qdrantctl.cli.plan_options import settings as of_project

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.model.drift import Drift

DRIFT = 2


@click.command()
@click.option("--unmanaged", is_flag=True, help="Exit 2 also for what nobody states.")
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Exit 2 only for what is not in FILE.",
)
@click.option("--update-baseline", is_flag=True, help="Write all drift there is to FILE.")
@click.option(
    "--owner", metavar="PROJECT/ENV", help="Whose records to check, without a project: with --url."
)
@click.option("--max-bytes", type=click.IntRange(min=200), default=65000, show_default=True,
              help="Largest size of the markdown format.")  # fmt: skip
@project_options
@output_options("text", "json", "markdown", "prometheus")
def command(**words: Any) -> int:
    """Tell what moved on the cluster since it was applied.

    Three blocks: changed since it was applied (exit 2), merged but not yet applied, and changed
    but not managed. It only reads; a read-only key is enough, and no lease is needed.
    """
    from datetime import date

    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.drift import drift
    from qdrantctl.flows.lease import note
    from qdrantctl.model.errors import UsageError

    if words["update_baseline"] and not words["baseline"]:
        raise UsageError("--update-baseline needs --baseline FILE", hint="Name the file to write.")
    chosen = _settings(words)
    telling = progress(words["verbose"])
    try:
        with door(chosen, on_call(words["verbose"])) as cluster:
            made = drift(chosen, cluster, date.today(), telling, strict=words["unmanaged"])
            running = note(cluster, chosen.owner)
    finally:
        clear()
    if running:
        click.echo(f"Note: {running}", err=True)
    if words["baseline"]:
        made = _beside(made, words["baseline"], update=words["update_baseline"])
    show(_render(made, words))
    return DRIFT if made.drifted else 0


def _settings(words: dict[str, Any]) -> Settings:
    """The settings of the project, or those of an owner alone."""
    from qdrantctl.adapters.project.settings import of_ledger
    from qdrantctl.model.errors import UsageError

    if words["owner"] is None:
        chosen = of_project(words, need_server=True)
        if not chosen.manifests:
            raise UsageError(
                "there is no project here, and no --owner",
                hint="Run it in the project's folder, or name --url and --owner PROJECT/ENV.",
            )
        return chosen
    if words["files"] or words["environment"]:
        raise UsageError(
            "--owner reads the ledger alone, so it goes with neither -f nor an environment",
            hint="Leave out --owner to compare with manifests.",
        )
    directory = Path(words["directory"])
    return of_ledger(
        directory=directory, url=words["url"], owner=words["owner"], environ=os.environ
    )


def _beside(made: Drift, path: Path, *, update: bool) -> Drift:
    """The report beside the baseline, which is written first when that was asked."""
    from qdrantctl.adapters.project import drift_baseline as baseline
    from qdrantctl.flows.drift import beside, known

    if update:
        baseline.write(path, known(made))
    return beside(made, baseline.read(path, made.owner))


def _render(made: Drift, words: dict[str, Any]) -> str:
    """The report in the format that was asked for."""
    if words["output"] == "json":
        from qdrantctl.render import json

        return json.drift(made)
    if words["output"] == "markdown":
        from qdrantctl.render import markdown

        return markdown.drift(made, max_bytes=words["max_bytes"])
    if words["output"] == "prometheus":
        from qdrantctl.render import prometheus

        return prometheus.drift(made)
    from qdrantctl.render import text

    return text.drift(made, colour=wants_colour(sys.stdout, no_color=words["no_color"]))
