"""The policies that an owner has applied, and what their destinations hold. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.stores.store import Store, opened
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.snapshots.sets.catalog import counted, found, superfluous
from qdrantctl.flows.snapshots.sets.cluster_store import ClusterStore
from qdrantctl.flows.state.live import remembering
from qdrantctl.kinds.cron_schedule import due
from qdrantctl.model.address import OWN_PREFIX, Address
from qdrantctl.model.client import NodeDoor
from qdrantctl.model.consent import matches
from qdrantctl.model.duration import length
from qdrantctl.model.errors import QdrantctlError, UsageError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import underway
from qdrantctl.model.snapshots.snapshot_set import Set, folder
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Severity, Violation

KIND = "snapshot_policy"
FIRST = timedelta(days=1)
SCRATCH = "qdrantctl-verify-"
"""How collections begin that stand only while a set is verified; no policy covers them."""


class Finding(NamedTuple):
    """One thing that is not as a policy says."""

    address: str
    word: str
    """overdue, incomplete, unverified, superfluous or unseen."""
    told: str


@dataclass(frozen=True, slots=True)
class Place:
    """One destination of a policy: what is there, or why that cannot be seen."""

    url: str
    store: Store | None
    sets: tuple[Set, ...] = ()
    broken: str = ""

    def of(self, collection: str) -> list[Set]:
        """The sets of a collection, the oldest first."""
        return [s for s in self.sets if s.about and s.about.snapshot.collection == collection]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, with what it covers and where its sets are."""

    owner: str
    name: str
    spec: Mapping[str, Any]
    collections: tuple[str, ...]
    places: tuple[Place, ...]
    restoring: tuple[str, ...] = ()
    """Collections that it would cover, were they not being restored."""
    there: frozenset[str] = frozenset()
    """Every collection of the cluster, covered or not."""

    @property
    def address(self) -> str:
        """`snapshot_policy/nightly`."""
        return f"{KIND}/{self.name}"

    def due(
        self, collection: str, place: Place, now: datetime, waiting: Collection[str] = ()
    ) -> datetime | None:
        """The time that is due at a place; None where nothing is, or where it cannot be seen.

        A set that is `waiting` to be finished, by its folder, counts as one that is whole.
        """
        if place.broken:
            return None
        counting = (s for s in place.of(collection) if s.state == "complete"
                    or (s.state == "unfinished" and s.folder in waiting))  # fmt: skip
        return due(self.spec, [s.about.scheduled for s in counting if s.about], now)

    def gone(self, each: Set) -> bool:
        """Whether a set is of a collection that is not there any more, or not covered."""
        return each.about is not None and each.about.snapshot.collection not in self.collections

    def holding(self, each: Set) -> bool:
        """Whether the servers hold files of a set that a run has to copy or to remove.

        Those of a collection that is gone no server lists or deletes, and by `server_copy: keep`
        those of a set that is whole go with it; both stay written down.
        """
        if each.begun is None or (each.sidecar and self.spec["server_copy"] == "keep"):
            return False
        return each.begun.snapshot.collection in self.there

    def superfluous(self, place: Place) -> list[Set]:
        """What retention no longer keeps. What may be the last of a collection is not among it.

        Nor is what was only begun, while nobody knows which places wait for its files.
        """
        blind = any(where.broken for where in self.places)
        return [
            each
            for each in superfluous(place.sets)
            if not self.gone(each) and not (blind and each.state == "unfinished")
        ]

    def findings(self, now: datetime) -> Iterator[tuple[str, str]]:
        """What is not as the policy says: a word for it, and a sentence."""
        for name in self.restoring:
            yield "restoring", untaken(name)
        for place in self.places:
            if place.broken:
                yield "unseen", place.broken
                continue
            for name in self.collections:
                if since := self.due(name, place, now):
                    yield "overdue", (f"collection/{name} has no snapshot at {place.url} for "
                                      f"{since:%Y-%m-%d %H:%M} UTC")  # fmt: skip
                sets = place.of(name)
                yield from self._unverified(name, place, sets, now)
            for each in self.superfluous(place):
                yield "superfluous", f"{each.folder} at {place.url} is kept by no rule any more"
            for each in place.sets:
                if each.state not in ("complete", "leaving"):
                    yield "incomplete", f"{each.folder} at {place.url} is {each.state}"

    def _unverified(
        self, name: str, place: Place, sets: list[Set], now: datetime
    ) -> Iterator[tuple[str, str]]:
        """Within the policy's time after the last one; the first is asked for after a day."""
        every = (self.spec.get("verify") or {}).get("every")
        whole = [s for s in sets if s.sidecar and s.state == "complete"]
        if not every or not whole:
            return
        tried = [s.verified.when for s in whole if s.verified]
        first = min(s.sidecar.taken for s in whole if s.sidecar)
        late = max(tried) + length(every) if tried else first + min(FIRST, length(every))
        if late < now:
            yield (
                "unverified",
                (f"no snapshot of collection/{name} at {place.url} was verified within {every}"),
            )


def findings(settings: Settings, door: NodeDoor, remembered: Inventory) -> list[Finding]:
    """What is not as the policies say that were applied; where there is none nothing is asked.

    Raises ClusterError.
    """
    recorded = (r for a, r in remembered.items() if a.kind == KIND and r.record)
    if not any(r.record and r.record.owner in settings.owners for r in recorded):
        return []
    work = Work(door, lambda _: None, lambda: False, settings.nodes)
    return [
        Finding(policy.address, word, sentence)
        for policy in policies(settings, work)
        for word, sentence in policy.findings(door.now)
    ]


def violations(found: Iterable[Finding]) -> Iterator[Violation]:
    """The same for a plan. Of each kind of finding a policy has, the first stands for all."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in found:
        groups.setdefault((each.address, each.word), []).append(each)
    for (address, word), group in groups.items():
        more = f", and {len(group) - 1} more like that" if len(group) > 1 else ""
        yield Violation(
            rule="QC165",
            severity=Severity.NOTE if word == "unseen" else Severity.WARNING,
            address=address,
            message=f"{group[0].told.removesuffix('.')}{more}",
            hint=_HINTS[word],
        )


WORDS = ("overdue", "incomplete", "unverified", "superfluous", "unseen", "restoring")
"""What a finding is about."""
_HINTS = {
    "restoring": "Run that restore again when it is not under way any more; a plan says how.",
    "unseen": "What is on the cluster is seen while every node is up, what is at a store by "
    "whoever plans with its credentials.",
    "overdue": "Run `qdrantctl snapshots run` every few minutes, as from cron.",
    "unverified": "Run `qdrantctl snapshots verify`.",
    "superfluous": "`qdrantctl snapshots prune` removes it.",
    "incomplete": "`qdrantctl snapshots list` shows it; the next run finishes what it can, "
    "`snapshots prune --orphan FOLDER` removes it.",
}


def policies(settings: Settings, work: Work, only: tuple[str, ...] = ()) -> list[Policy]:
    """The policies that were applied, or those named. Raises ClusterError, UsageError."""
    memory = remembering(work.door, settings.owners)
    specs = {
        address.name: entry["spec"]
        for address, entry in memory.entries.items()
        if address.kind == KIND and entry["owner"] in settings.owners and not entry.get("deleted")
    }
    if unknown := sorted({_name(word) for word in only} - specs.keys()):
        applied = f"Applied are {', '.join(sorted(specs))}." if specs else "None is applied."
        raise UsageError(
            f"no policy {unknown[0]} of {settings.owner} is applied", hint=f"{applied} Apply first."
        )
    listed = work.door.ask(Call(method="GET", path="/collections"))["collections"]
    others = {
        address.name
        for address, entry in memory.entries.items()
        if address.kind == "collection"
        and entry["owner"] not in settings.owners
        and not entry.get("deleted")
    }
    there = frozenset(entry["name"] for entry in listed)
    names = sorted(there - others)
    marked = {a.name for a, e in memory.entries.items() if a.kind == "collection" and underway(e)}
    found: list[Policy] = []
    for name, spec in sorted(specs.items()):
        if not only or name in map(_name, only):
            covered = [n for n in names if _covers(spec, n)]
            places = (place(settings, work, name, spec, url) for url in spec["destination"])
            found.append(
                Policy(
                    settings.owner,
                    name,
                    spec,
                    collections=tuple(n for n in covered if n not in marked),
                    places=tuple(places),
                    restoring=tuple(n for n in covered if n in marked),
                    there=there,
                )
            )
    return found


def untaken(name: str) -> str:
    """Why nothing is taken of a collection: half of it may be missing."""
    return f"collection/{name} is being restored, and no snapshot of it is taken until that ends"


def _name(word: str) -> str:
    return Address.parse(word).name if word.startswith(f"{KIND}/") else word


def _covers(spec: Mapping[str, Any], name: str) -> bool:
    globs = spec["collections"]
    return not name.startswith((OWN_PREFIX, SCRATCH)) and any(matches(glob, name) for glob in globs)


def place(settings: Settings, work: Work, name: str, spec: Mapping[str, Json], url: str) -> Place:
    """One destination as it is now."""
    try:
        store: Store = (
            ClusterStore(work, settings.nodes, settings.owners, name)
            if url == CLUSTER
            else opened(url)
        )
        ours = (folder(owner, name) for owner in settings.owners)
        sets = counted(found(store, *ours), spec, work.door.now)
    except QdrantctlError as error:
        return Place(url, None, broken=error.line)
    return Place(url, store, tuple(sets))
