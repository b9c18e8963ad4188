"""Read a resource back after its steps, and find the changes that a new plan would contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from qdrantctl.engine.planning.compare import compare_resource
from qdrantctl.flows.state.live import read_live
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.object_names import SAME_NAMES, ObjectNames
from qdrantctl.model.polling import poll
from qdrantctl.model.resource import Inventory, Resource, canonical_json
from qdrantctl.model.server import Server

CONVERGENCE_TIMEOUT = 2.0
"""Seconds within which every node of a cluster reports a change that it answered with ok."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The states that the resources of a plan are compared with."""

    desired: Inventory
    today: date
    last_applied: Inventory = field(default_factory=Inventory)
    names: ObjectNames = SAME_NAMES
    """The names of collections on the cluster."""
    owners: tuple[str, ...] = ()
    """Owners whose resources of owner-scoped kinds are addressed by name only."""


def read_back(
    change: Change, expected: Expected, client: Client
) -> tuple[Resource | None, tuple[str, ...]]:
    """The live resource, and the requested values that it lacks. Raises ClusterError.

    Nodes of a cluster may report the old values for a moment, so reading is repeated. The wait is
    not shortened by a cancellation: a single early read would not be reliable.
    """

    def look() -> tuple[Resource | None, tuple[str, ...]]:
        live = _read_live(change.parsed_address, expected, client)
        return live, _remaining_differences(change, live, expected, client.server)

    return poll(look, _is_complete, timeout=CONVERGENCE_TIMEOUT)


def _is_complete(result: tuple[Resource | None, tuple[str, ...]]) -> bool:
    return not result[1]


def _read_live(address: Address, expected: Expected, client: Client) -> Resource | None:
    only = frozenset({address})
    request = ReadRequest(
        expected.desired,
        expected.last_applied,
        details=only,
        only=only,
        names=expected.names,
        owners=expected.owners,
        after_change=True,
    )
    return read_live(client, request).get(address)


def _remaining_differences(
    change: Change, live: Resource | None, expected: Expected, server: Server
) -> tuple[str, ...]:
    """The differences for which a new plan would contain changes."""
    address = change.parsed_address
    if change.action is Action.DELETE:
        return (f"{change.address} still exists",) if live else ()
    if change.action is Action.FORGET:
        return ()
    if live is None:
        return (f"{change.address} does not exist",)
    desired = expected.desired[address]
    kind, applied = BY_NAME[address.kind], expected.last_applied.get(address)
    comparison = compare_resource(desired, live, applied, kind, server, expected.today)
    kept_paths = {field.path for field in change.fields if field.effect is Effect.KEPT}
    remaining = (field for field in comparison.needed_changes if field.path not in kept_paths)
    return tuple(_describe_difference(field, live.facts.unread) for field in remaining)


def _describe_difference(field: FieldChange, unread: Mapping[str, str]) -> str:
    requested = "nothing" if field.desired is ABSENT else canonical_json(field.desired)
    reported = "server reports " + (
        "nothing" if field.live is ABSENT else canonical_json(field.live)
    )
    reported = "cannot be read" if field.path[0] in unread else reported
    return f"{'.'.join(str(word) for word in field.path)} (requested {requested}, {reported})"
