"""`qdrantctl history`: who applied what, when, from which commit."""

from __future__ import annotations

from typing import Any

import click

from qdrantctl.cli.options import output_options, project_options, show
from qdrantctl.cli.plan_options import on_call, settings


@click.command()
@click.argument("address", required=False)
@click.option("--all-owners", is_flag=True, help="Of every project and environment.")
@project_options
@output_options("text", "json")
def command(**words: Any) -> int:
    """Show who applied what, when, and from which commit; newest first.

    The ledger keeps the last 20 applies of each resource.
    """
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.show import history
    from qdrantctl.model.address import Address
    from qdrantctl.model.errors import UsageError
    from qdrantctl.render import json, text

    try:
        address = Address.parse(words["address"]) if words["address"] else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    chosen = settings(words, need_server=True)
    with door(chosen, on_call(words["verbose"])) as cluster:
        found = history(cluster, chosen.owners, address, everybody=words["all_owners"])
    if words["output"] == "json":
        show(json.document({"events": [event.model_dump(mode="json") for event in found]}))
    else:
        show(text.history(found))
    return 0
