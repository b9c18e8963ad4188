"""Which drafts of a plan are selected: `--target`, `--exclude` and `destroy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from qdrantctl.model.address import Address
from qdrantctl.model.consent import ADDRESS_HINT
from qdrantctl.model.errors import UsageError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Inventory

Value = TypeVar("Value", bound=Any)


@frozen
class Selection:
    """Addresses or globs. An empty `targets` means everything."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    """What is deleted though manifests state it; nothing else is planned then."""


def matching_addresses(patterns: Iterable[str], addresses: Iterable[Address]) -> frozenset[Address]:
    """The addresses that a pattern names. A pattern that is itself an address matches only it."""
    candidates = list(addresses)
    matching: set[Address] = set()
    for pattern in patterns:
        exact = [address for address in candidates if str(address) == pattern]
        matching.update(exact or [a for a in candidates if fnmatchcase(str(a), pattern)])
    return frozenset(matching)


def select_destroyed(
    patterns: Iterable[str], recorded: Inventory, live: Inventory, kinds: Mapping[str, Kind]
) -> dict[Address, str]:
    """The managed resources that are destroyed by name or cannot be without them, and why.

    Raises UsageError for a pattern that matches no managed resource.
    """
    for pattern in patterns:
        if not matching_addresses([pattern], recorded):
            raise UsageError(
                f"{pattern} matches nothing that this project manages here",
                why="Only what was applied or adopted from here can be destroyed.",
                hint=ADDRESS_HINT,
            )
    destroyed = dict.fromkeys(matching_addresses(patterns, recorded), "destroyed by name")
    dependents = {
        address: f"refers to {ref}, which is destroyed"
        for address in recorded
        if address in live and address not in destroyed
        for ref in kinds[address.kind].references(live[address].spec)
        if ref in destroyed
    }
    return destroyed | dependents


def select_drafts(
    drafts: Mapping[Address, Value],
    selection: Selection,
    desired: Inventory,
    live: Inventory,
    kinds: Mapping[str, Kind],
) -> dict[Address, Value]:
    """The selected drafts, and those that they depend on.

    A target also selects what it refers to. An exclusion also excludes what cannot be created
    without it.
    Raises UsageError for a pattern that matches nothing.
    """
    for flag, patterns in (("--target", selection.targets), ("--exclude", selection.excludes)):
        for pattern in patterns:
            if not matching_addresses([pattern], drafts):
                raise UsageError(
                    f"{flag} {pattern} matches nothing",
                    hint="Addresses are KIND/NAME, as in collection/products; globs are allowed.",
                )
    selected = (
        set(matching_addresses(selection.targets, drafts)) if selection.targets else set(drafts)
    )
    refs = {
        address: [
            ref for ref in kinds[address.kind].references(desired[address].spec) if ref in drafts
        ]
        for address in drafts
        if address in desired
    }
    queue = list(selected)
    while queue:
        added = [ref for ref in refs.get(queue.pop(), ()) if ref not in selected]
        selected.update(added)
        queue += added
    excluded = set(matching_addresses(selection.excludes, drafts))
    is_growing = True
    while is_growing:
        dependents = {
            a for a, need in refs.items() for r in need if r in excluded and r not in live
        } - excluded
        excluded |= dependents
        is_growing = bool(dependents)
    selected -= excluded
    return {address: draft for address, draft in drafts.items() if address in selected}
