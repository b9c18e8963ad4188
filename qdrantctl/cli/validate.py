"""`qdrantctl validate`: check the manifests, without a server."""

from __future__ import annotations

import sys
from typing import Any

import click

from qdrantctl.cli.options import output_options, project_options, show, wants_colour
from qdrantctl.cli.planning import settings


@click.command()
@project_options
@output_options("text", "json")
def command(**words: Any) -> int:
    """Check the manifests, without a server. All errors at once."""
    from qdrantctl.flows.desired import desired
    from qdrantctl.model.errors import ManifestError
    from qdrantctl.render import violations

    told: tuple[Any, ...]
    count, errors = 0, False
    try:
        found = desired(settings(words, need_server=False))
        told, count = found.violations, len(found.inventory)
    except ManifestError as error:
        told, errors = error.violations, True
    if words["output"] == "json":
        show(violations.json(told))
        return int(errors)
    if told:
        colour = wants_colour(sys.stdout, no_color=words["no_color"])
        show(violations.text(told, colour=colour))
    if not errors:
        click.echo("1 resource is valid." if count == 1 else f"{count} resources are valid.")
    return int(errors)
