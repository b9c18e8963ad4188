"""A replacement as it is often scripted: copy, then move the alias. It loses points."""

from __future__ import annotations

from typing import Any

from tests.replacement.connection import Connection

PAGE = 500


def replace_naively(connection: Connection, alias: str, old: str, new: str, body: Any) -> None:
    """Create `new`, copy what a scroll of `old` shows, and move the alias."""
    connection.ask("PUT", f"/collections/{new}", body)
    offset: Any = None
    while True:
        asked = {"limit": PAGE, "offset": offset, "with_payload": True, "with_vector": True}
        page = connection.ask("POST", f"/collections/{old}/points/scroll", asked)
        if page["points"]:
            connection.ask(
                "PUT", f"/collections/{new}/points?wait=true", {"points": page["points"]}
            )
        offset = page["next_page_offset"]
        if offset is None:
            break
    move_alias(connection, alias, new)


def move_alias(connection: Connection, alias: str, collection: str) -> None:
    actions = [
        {"delete_alias": {"alias_name": alias}},
        {"create_alias": {"alias_name": alias, "collection_name": collection}},
    ]
    connection.ask("POST", "/collections/aliases", {"actions": actions})
