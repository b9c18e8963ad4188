"""`qdrantctl validate`: check the manifests, without a server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from qdrantctl.cli.options import output_options, project_options, show, wants_colour
from qdrantctl.cli.plan_options import settings


@click.command()
@project_options
@output_options("text", "json")
def command(**words: Any) -> int:
    """Check the manifests, without a server, for every environment or that of -e.

    All errors at once; one that not every environment has says which do.
    """
    from qdrantctl.flows.project.validate import Validated, validate
    from qdrantctl.model.errors import ManifestError
    from qdrantctl.render import diagnostics as violations

    try:
        chosen = [{**words, "environment": name} for name in _environments(words)]
        found = validate([settings(each, need_server=False) for each in chosen])
    except ManifestError as error:  # of the project file
        found = Validated(error.violations, {}, valid=False)
    if words["output"] == "json":
        show(violations.json(found.violations))
        return int(not found.valid)
    if found.violations:
        colour = wants_colour(sys.stdout, no_color=words["no_color"])
        show(violations.text(found.violations, colour=colour))
    for name, count in found.counts.items() if found.valid else ():
        of = f"{name}: " if len(found.counts) > 1 else ""
        told = "1 resource is valid" if count == 1 else f"{count} resources are valid"
        click.echo(f"{of}{told}.")
    return int(not found.valid)


def _environments(words: dict[str, Any]) -> tuple[str | None, ...]:
    """Every environment, where none is named and there are some; standard input is read once."""
    from qdrantctl.adapters.project.settings import environments, find

    directory = Path(os.path.abspath(words["directory"]))  # noqa: PTH100  # as the project is found
    named = words["environment"] or words["url"] or "-" in words["files"]
    if named or find(directory) is None:
        return (words["environment"],)
    return environments(directory) or (None,)
