"""What depends on what among the resources around the changes of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.plan import NODE, Reference


def list_references(
    changes: Iterable[Change], context: Context, kinds: Mapping[str, Kind]
) -> tuple[Reference, ...]:
    """The references of which the plan changes at least one side, sorted.

    Both what the manifests want and what is live counts: an alias that moves refers to both
    collections. Nodes are known only where the plan has read them.
    """
    changed = {c.parsed_address for c in changes if c.action is not Action.NOOP}
    if not changed:
        return ()
    known = frozenset({*context.desired, *context.live})
    pairs = {
        (str(source), str(target))
        for inventory in (context.desired, context.live)
        for source, resource in inventory.items()
        for target in kinds[source.kind].subjects(resource.spec, known)
        if source in changed or target in changed
    }
    return tuple(
        Reference(source=source, target=target)
        for source, target in sorted({*pairs, *_list_nodes(changed, context)})
    )


def _list_nodes(changed: Iterable[Address], context: Context) -> Iterator[tuple[str, str]]:
    """Each changed resource with the nodes that hold shards of it."""
    for address in changed:
        if resource := context.live.get(address):
            yield from ((str(address), f"{NODE}/{peer}") for peer in resource.facts.peers)
