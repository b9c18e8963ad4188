"""The order in which changes are carried out, and which of them wait for which.

Deterministic: same changes, same order.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Inventory
from qdrantctl.model.step import list_calls


def order_changes(
    actions: Mapping[Address, Action],
    desired: Inventory,
    live: Inventory,
    kinds: Mapping[str, Kind],
) -> list[Address]:
    """Creates and updates along dependencies, deletes last in reverse.

    One exception: a delete that frees a name comes before the create that uses it. Changes that
    are ready at the same time are ordered by the table of kinds, then by name.
    """
    before = _dependencies(actions, desired, live, kinds)
    level = {name: position for position, name in enumerate(kinds)}

    def rank(address: Address) -> tuple[int, int, Address]:
        if actions[address] is Action.DELETE:
            return (1, -level[address.kind], address)
        return (0, level[address.kind], address)

    waiting = {address: len(need) for address, need in before.items()}
    after: dict[Address, list[Address]] = {address: [] for address in actions}
    for address, need in before.items():
        for earlier in need:
            after[earlier].append(address)
    ready = [rank(address) for address, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Address] = []
    while ready:
        address = heapq.heappop(ready)[2]
        ordered.append(address)
        for dependent in after[address]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                heapq.heappush(ready, rank(dependent))
    return ordered + sorted(set(actions) - set(ordered))


def list_predecessors(
    changes: Sequence[Change], desired: Inventory, live: Inventory, kinds: Mapping[str, Kind]
) -> list[frozenset[int]]:
    """For each change of a plan the positions of the earlier ones that it waits for.

    A deletion waits for all that is created and changed before it, so that nothing is deleted once
    that has failed. So does what limits the whole cluster. A change that makes or drops shard keys
    is alone: Qdrant's consensus stands still for seconds where another collection changes meanwhile
    (1.16.3).
    """
    positions = {change.parsed_address: number for number, change in enumerate(changes)}
    actions = {change.parsed_address: change.action for change in changes}
    before = _dependencies(actions, desired, live, kinds)
    result: list[frozenset[int]] = []
    remaining: set[int] = set()
    alone: int | None = None
    for number, change in enumerate(changes):
        address, is_delete = change.parsed_address, change.action is Action.DELETE
        earlier = {positions[other] for other in before[address] if positions[other] < number}
        if is_delete or kinds[address.kind].limits_only:
            earlier |= remaining
        if _changes_shard_keys(change):
            earlier, alone = set(range(number)), number
        elif alone is not None:
            earlier.add(alone)
        if not is_delete:
            remaining.add(number)
        result.append(frozenset(earlier))
    return result


def _changes_shard_keys(change: Change) -> bool:
    """Whether a request of the change creates or drops a shard key."""
    return any("/shards" in call.path for call in list_calls(change.steps))


def _dependencies(
    actions: Mapping[Address, Action],
    desired: Inventory,
    live: Inventory,
    kinds: Mapping[str, Kind],
) -> dict[Address, set[Address]]:
    """The changes that must come before each change."""
    before: dict[Address, set[Address]] = {address: set() for address in actions}
    deletes = Action.DELETE in actions.values()
    for address, action in actions.items():
        kind = kinds[address.kind]
        if action is not Action.DELETE and address in desired:
            for ref in kind.references(desired[address].spec):
                if ref in actions and actions[ref] is not Action.DELETE:
                    before[address].add(ref)
        if address in live:
            for ref in kind.references(live[address].spec):
                if ref in actions and actions[ref] is Action.DELETE:
                    before[ref].add(address)
                elif ref in actions:  # its replacement makes this one again
                    before[address].add(ref)
        if deletes and action is Action.CREATE and kind.namespace:
            for rival_kind in kinds.values():
                rival = Address(rival_kind.name, address.name)
                if rival_kind.namespace == kind.namespace and actions.get(rival) is Action.DELETE:
                    before[address].add(rival)
    return before
