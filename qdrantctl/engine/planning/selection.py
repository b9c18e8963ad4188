"""Which drafts of a plan were asked for: `--target`, `--exclude` and `destroy`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from qdrantctl.model.address import Address
from qdrantctl.model.consent import ADDRESS_HINT
from qdrantctl.model.errors import UsageError
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Inventory

Value = TypeVar("Value", bound=Any)


@dataclass(frozen=True, slots=True)
class Selection:
    """Addresses or globs. An empty `targets` means everything."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    """What is deleted though manifests state it; nothing else is planned then."""


def matching_addresses(patterns: Iterable[str], addresses: Iterable[Address]) -> frozenset[Address]:
    """The addresses that a pattern names. A pattern that is itself an address matches only it."""
    known = list(addresses)
    found: set[Address] = set()
    for pattern in patterns:
        exact = [address for address in known if str(address) == pattern]
        found.update(exact or [a for a in known if fnmatchcase(str(a), pattern)])
    return frozenset(found)


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
    """The drafts that are asked for, and those they cannot do without.

    A target brings what it refers to; an exclusion takes along what cannot be made without it.
    Raises UsageError for a pattern that matches nothing.
    """
    for flag, patterns in (("--target", selection.targets), ("--exclude", selection.excludes)):
        for pattern in patterns:
            if not matching_addresses([pattern], drafts):
                raise UsageError(
                    f"{flag} {pattern} matches nothing",
                    hint="Addresses are KIND/NAME, as in collection/products; globs are allowed.",
                )
    kept = set(matching_addresses(selection.targets, drafts)) if selection.targets else set(drafts)
    refs = {
        address: [
            ref for ref in kinds[address.kind].references(desired[address].spec) if ref in drafts
        ]
        for address in drafts
        if address in desired
    }
    reach = list(kept)
    while reach:
        news = [ref for ref in refs.get(reach.pop(), ()) if ref not in kept]
        kept.update(news)
        reach += news
    gone = set(matching_addresses(selection.excludes, drafts))
    spreading = True
    while spreading:
        more = {a for a, need in refs.items() for r in need if r in gone and r not in live} - gone
        gone |= more
        spreading = bool(more)
    kept -= gone
    return {address: draft for address, draft in drafts.items() if address in kept}
