"""The flows of `snapshots list` over destinations and of `snapshots prune`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.stores.store import Store
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.snapshots.policies.backup import dropped
from qdrantctl.flows.snapshots.policies.status import Policy, policies
from qdrantctl.flows.snapshots.sets.catalog import TOO_NEW, remove
from qdrantctl.model.errors import StoreError, UsageError
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import Listed
from qdrantctl.model.snapshots.snapshot_set import Set

LOOSE = ("orphan", "unfinished", "bad")
"""States of sets that are removed when they are named; so are those of collections that are gone,
and from ahead of the clock. One that is unfinished goes by itself once a newer one was begun."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A set that is to be removed."""

    store: Store
    set: Set
    copies: bool
    """Whether the servers hold files of it that no destination needs any more."""

    def remove(self, work: Work) -> None:
        """Remove it, and those files first: nothing but the set tells of them.

        Raises QdrantctlError.
        """
        if self.copies and self.set.about:
            dropped(self.set.about, work)
        remove(self.store, self.set)


def listed(settings: Settings, work: Work) -> tuple[tuple[Set, ...], tuple[str, ...]]:
    """Every set at every destination of every policy, and why others cannot be seen.

    Raises ClusterError.
    """
    places = [place for policy in policies(settings, work) for place in policy.places]
    sets = tuple(each for place in places for each in place.sets)
    return sets, tuple(place.broken for place in places if place.broken)


def leaving(
    settings: Settings, work: Work, only: tuple[str, ...], named: Sequence[str]
) -> tuple[list[Leaving], list[Set]]:
    """What is to be removed, and what only would be if it were named. Raises QdrantctlError."""
    going: list[Leaving] = []
    loose: list[Set] = []
    left = {name.rstrip("/") for name in named}
    for policy in policies(settings, work, only):
        for place in policy.places:
            if place.broken:
                raise StoreError(place.broken.removesuffix("."))
        here = departing(policy, left)
        sets = (each for place in policy.places for each in place.sets if _loose(policy, each))
        loose += (each for each in sets if each not in [one.set for one in here])
        going += here
    if missing := left - {each.set.folder.rstrip("/") for each in going}:
        raise UsageError(
            f"no set {sorted(missing)[0]} that could be removed so",
            hint="`qdrantctl snapshots list` tells of their folders.",
        )
    return going, loose


def departing(policy: Policy, named: Collection[str] = ()) -> list[Leaving]:
    """What of a policy is to be removed: what retention no longer keeps, and what is named."""
    going: list[tuple[Store, Set]] = []
    staying: set[str] = set()
    for place in policy.places:
        over = policy.superfluous(place)
        for each in place.sets:
            asked = _loose(policy, each) and each.folder.rstrip("/") in named
            if place.store and (asked or each in over):
                going.append((place.store, each))
            else:
                staying.add(each.folder)
    return [
        Leaving(
            store, each, store.url == CLUSTER or bool(each.begun and each.folder not in staying)
        )
        for store, each in going
    ]


def _loose(policy: Policy, each: Set) -> bool:
    return each.state in LOOSE or policy.gone(each) or each.kept == (TOO_NEW,)


def prune(going: Sequence[Leaving], work: Work, tell: Callable[[Set], None]) -> None:
    """Remove them. Raises QdrantctlError."""
    for each in going:
        work.go_on()
        each.remove(work)
        tell(each.set)


def outside(found: Iterable[Listed], sets: Iterable[Set]) -> tuple[Listed, ...]:
    """The files on servers that are of none of these sets."""
    held = {
        (each.about.address, file.name)
        for each in sets
        if each.about and (each.begun or each.destination == CLUSTER)
        for file in each.about.snapshot.files
    }
    return tuple(each for each in found if (each.address, each.name) not in held)
