"""`qdrantctl lock`: write the committed state, or check that it is current."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from qdrantctl.cli.options import environment_options

NOT_CURRENT = 2


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 2 where it is not current.")
@environment_options
def command(**words: Any) -> int:
    """Write the committed state: what the manifests ask, in every environment or that of -e.

    Files stand in state/ENVIRONMENT, one for each resource; commit them with the manifests. Needs
    no server and no key.
    """
    from datetime import date

    from qdrantctl.flows.project.lock import lock

    found = lock(Path(words["directory"]), words["environment"], date.today(), os.environ)
    not_current = False
    for each in found:
        if each.state is None:
            if len(found) == 1:
                click.echo(f"No committed state: {each.why}.", err=True)
            continue
        stale = each.state.stale
        if not words["check"]:
            each.state.write()
        for name, fault in stale.items():
            click.echo(f"{each.state.shown}/{name}: {_TOLD[fault][words['check']]}")
        if not stale:
            click.echo(f"{each.state.shown}: current")
        not_current |= bool(stale)
    if not_current and words["check"]:
        click.echo("Run qdrantctl lock and commit what it writes.", err=True)
        return NOT_CURRENT
    return 0


_TOLD = {
    "changed": ("written", "not what the manifests ask"),
    "missing": ("written", "missing"),
    "left over": ("removed", "left over, no manifest asks for it"),
}
