"""Collections that an alias of their own name hides. Pure.

Renaming an alias onto the name of a collection is possible. From then on every request by the name
reaches the target of the alias, except for a deletion, which removes the hidden collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.model.address import Address
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Inventory


def find_hidden(address: Address, live: Inventory, kinds: Mapping[str, Kind]) -> Address | None:
    """The hidden collection of this name, for the collection and for the alias; or None."""
    for kind in kinds.values():
        same = Address(kind.name, address.name)
        if same not in live or not live[same].facts.hidden_by:
            continue
        if kind.namespace == kinds[address.kind].namespace:
            return same
    return None


def describe_hidden(hidden: Address, live: Inventory) -> str:
    """What the name reaches, and what a deletion by the name would remove."""
    target = live[hidden].facts.hidden_by
    return (
        f"an alias of the name leads to {target} and hides {hidden}. Requests by the name reach "
        f"{target}, a deletion removes the hidden collection"
    )


def show_way_out(hidden: Address, live: Inventory) -> str:
    """How the name gets one meaning again."""
    target = live[hidden].facts.hidden_by
    return (
        f"Give {target} another alias for its readers, then delete the alias: POST "
        f'/collections/aliases {{"actions": [{{"delete_alias": {{"alias_name": "{hidden.name}"}}}}'
        f"]}}. The name then reaches {hidden} again."
    )
