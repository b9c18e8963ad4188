"""Collections that are not called as their addresses say, as replacements leave them."""

from __future__ import annotations

import time
from typing import Any

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from qdrantctl.adapters.qdrant.replacement_records import replacement_entry
from qdrantctl.model.replacement import CollectionRef, Phase, ReplacementRecord
from tests.support.project import asked, config, record
from tests.support.servers import Node

LEDGER = "/collections/_qdrantctl/points?wait=true"


def replace(node: Node, old: str, new: str, *, address: str = "", keep: bool = True) -> None:
    """Replace a collection on a node that has a ledger: copied, its aliases and its entry moved.

    With `keep` the old one is kept under a replacement, else it is dropped.
    """
    address = address or f"collection/{old}"
    copy_collection(node, old, new)
    aliases = asked(node, "GET", f"/collections/{old}/aliases")["aliases"]
    actions = [
        {"create_alias": {"alias_name": alias["alias_name"], "collection_name": new}}
        for alias in aliases
    ]
    asked(node, "POST", "/collections/aliases", {"actions": actions})
    entry = record(node, address) | {"object": new, "uuid": config(node, new).get("uuid") or ""}
    write_entry(node, entry)
    if keep:
        write_entry(node, replacement_entry(replacement(old, new, address)))
    else:
        asked(node, "DELETE", f"/collections/{old}")


def drop_kept(node: Node) -> None:
    """The old products are retired."""
    asked(node, "DELETE", "/collections/products")
    ids = [ledger_point_id("replacement/products")]
    asked(node, "POST", "/collections/_qdrantctl/points/delete?wait=true", {"points": ids})


def copy_collection(node: Node, old: str, new: str) -> None:
    """A collection under another name, with settings, indexes and points."""
    if asked(node, "GET", f"/collections/{old}/snapshots"):
        time.sleep(1)  # names of snapshots have a resolution of one second
    file = asked(node, "POST", f"/collections/{old}/snapshots?wait=true")["name"]
    path = node.folder / "snapshots" / old / file
    body = {"location": f"file://{path}", "priority": "snapshot"}
    asked(node, "PUT", f"/collections/{new}/snapshots/recover?wait=true", body)
    asked(node, "DELETE", f"/collections/{old}/snapshots/{file}?wait=true")


def replacement(old: str, new: str, address: str, phase: Phase = Phase.KEEP) -> ReplacementRecord:
    """The record of a replacement in a phase, paused unless all that is left is to keep."""
    return ReplacementRecord(
        id="1",
        owner="shop/dev",
        collection=address.removeprefix("collection/"),
        phase=phase,
        settings={},
        old=CollectionRef(name=old),
        new=CollectionRef(name=new),
        entry={},
        digest="",
        begun="2026-01-01T00:00:00+00:00",
        keep_until="2999-01-01T00:00:00+00:00" if phase is Phase.KEEP else "",
        paused=phase is not Phase.KEEP,
    )


def write_entry(node: Node, entry: dict[str, Any]) -> None:
    """Write an entry of the ledger by hand."""
    point = {"id": ledger_point_id(entry["address"]), "vector": {}, "payload": entry}
    asked(node, "PUT", LEDGER, {"points": [point]})
