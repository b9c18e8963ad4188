"""`qdrantctl show`: a resource, recorded and live side by side; or a saved plan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from qdrantctl.cli.options import output_options, project_options, show, wants_colour
from qdrantctl.cli.plan_options import on_call, settings


@click.command()
@click.argument("what", metavar="ADDRESS | PLANFILE")
@project_options
@output_options("text", "json", "markdown")
def command(**words: Any) -> int:
    """Show a resource, recorded and live side by side, or a saved plan.

    A plan needs no server. ADDRESS is KIND/NAME, as in collection/products.
    """
    path = Path(words["what"])
    if path.suffix == ".json" or path.is_file():
        return _plan(path, words)
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.show import show as flow
    from qdrantctl.model.address import Address, unsendable
    from qdrantctl.model.errors import UsageError

    try:
        address = Address.parse(words["what"])
    except ValueError as error:
        raise UsageError(f"{error}", hint="Or name a file that plan --out has saved.") from None
    if reason := unsendable(address.name):
        raise UsageError(f"{address.name!r}: {reason}")
    chosen = settings(words, need_server=True)
    with door(chosen, on_call(words["verbose"])) as cluster:
        found = flow(cluster, address, chosen.owners)
    if words["output"] == "text":
        from qdrantctl.render import text

        show(text.resource(found, colour=_colour(words)))
    elif words["output"] == "markdown":
        from qdrantctl.render import markdown

        show(markdown.resource(found))
    else:
        from qdrantctl.render import json

        show(json.document(found.model_dump(mode="json")))
    return 0


def _plan(path: Path, words: dict[str, Any]) -> int:
    from qdrantctl.adapters.project import plan_file
    from qdrantctl.cli.plan import render

    show(render(plan_file.read(path), {**words, "max_bytes": 65000}))
    return 0


def _colour(words: dict[str, Any]) -> bool:
    return wants_colour(sys.stdout, no_color=words["no_color"])
