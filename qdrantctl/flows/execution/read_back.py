"""Reading a resource back after its steps: what a plan made now would still want."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from qdrantctl.engine.planning.compare import compare_resource
from qdrantctl.flows.execution.context import ExecutionContext, StepFailure
from qdrantctl.flows.state.live import read_live
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.client import ReadRequest
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.polling import poll
from qdrantctl.model.resource import Inventory, Resource, canonical_json
from qdrantctl.model.server import Server

SETTLED = 2.0
"""Seconds within which every node of a cluster shows a change that it has answered ok to."""
INDEX_BUILT = 600.0
"""Seconds that an index may take whose request was cut: the server goes on building it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the resources of a plan are compared with."""

    desired: Inventory
    today: date
    last_applied: Inventory = field(default_factory=Inventory)
    owners: tuple[str, ...] = ()
    """Whose resources of owned kinds are called by their name alone."""


def read_back(
    change: Change,
    expected: Expected,
    context: ExecutionContext,
    failure: StepFailure | None = None,
) -> tuple[Resource | None, tuple[str, ...]]:
    """The resource as it is now, and what was asked and is not there. Raises ClusterError.

    Nodes of a cluster may answer from before the change for a moment, so it is read again. Those
    seconds pass also where the operator asked to stop: what one look misses says nothing.
    """

    def look() -> tuple[Resource | None, tuple[str, ...]]:
        live = _read_live(change.parsed_address, expected, context)
        return live, _remaining_differences(change, live, expected, context.client.server)

    live, missed = poll(look, _nothing_missed, timeout=SETTLED)
    if missed and failure and failure.index_may_appear:
        return poll(look, _nothing_missed, timeout=INDEX_BUILT, is_cancelled=context.is_cancelled)
    return live, missed


def _nothing_missed(found: tuple[Resource | None, tuple[str, ...]]) -> bool:
    return not found[1]


def _read_live(address: Address, expected: Expected, context: ExecutionContext) -> Resource | None:
    only = frozenset({address})
    asked = ReadRequest(
        expected.desired, expected.last_applied, details=only, only=only, owners=expected.owners
    )
    return read_live(context.client, asked).get(address)


def _remaining_differences(
    change: Change, live: Resource | None, expected: Expected, server: Server
) -> tuple[str, ...]:
    """What a plan made now would still want."""
    address = change.parsed_address
    if change.action is Action.DELETE:
        return (f"{change.address} is still there",) if live else ()
    if change.action is Action.FORGET:
        return ()
    if live is None:
        return (f"{change.address} is not there",)
    desired = expected.desired[address]
    kind, applied = BY_NAME[address.kind], expected.last_applied.get(address)
    comparison = compare_resource(desired, live, applied, kind, server, expected.today)
    kept = {field.path for field in change.fields if field.effect is Effect.KEPT}
    remaining = (field for field in comparison.needed_changes if field.path not in kept)
    return tuple(_describe_difference(field, live.facts.unread) for field in remaining)


def _describe_difference(field: FieldChange, unread: Mapping[str, str]) -> str:
    asked = "nothing" if field.desired is ABSENT else canonical_json(field.desired)
    shown = "server reports " + ("nothing" if field.live is ABSENT else canonical_json(field.live))
    shown = "cannot be read" if field.path[0] in unread else shown
    return f"{'.'.join(str(word) for word in field.path)} (requested {asked}, {shown})"
