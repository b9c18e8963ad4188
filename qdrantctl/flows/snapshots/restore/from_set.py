"""The flow of `snapshots restore --from`: a set at a destination becomes a collection.

It needs no project, ledger or state: what stands beside the files says all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.stores.store import Store
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.snapshots import placeholder as stand_in
from qdrantctl.flows.snapshots.restore.plan import Restoring, planned, whole
from qdrantctl.flows.snapshots.restore.target import Wish, standing
from qdrantctl.flows.snapshots.restore.upload import Source
from qdrantctl.flows.snapshots.sets import cluster_store
from qdrantctl.flows.snapshots.sets.catalog import found
from qdrantctl.flows.snapshots.sets.destination import elsewhere
from qdrantctl.kinds.cron_schedule import AHEAD
from qdrantctl.model.address import Address
from qdrantctl.model.client import Door, NodeDoor
from qdrantctl.model.errors import QdrantctlError, StoreError, UsageError
from qdrantctl.model.server import Version
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import File, Taken
from qdrantctl.model.snapshots.snapshot_set import Set, Sidecar, part
from qdrantctl.model.step import Call, Restore

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A set and where it is."""

    store: Store
    set: Set
    sidecar: Sidecar
    passed: tuple[Set, ...] = ()
    """Newer ones that are not whole, where the last one was asked for."""


def chosen(
    settings: Settings, work: Work, words: str, url: str, at: datetime | None, now: datetime
) -> Chosen:
    """The set that is meant. Raises QdrantctlError where there is none, or it is not whole."""
    there = list(_sets(settings, work, url))
    held = [Chosen(store, s, s.sidecar) for store, s in there if s.sidecar]
    address, mark = _meant(words, {c.sidecar.snapshot.collection for c in held})
    if mark not in ("", LATEST) and at:
        raise UsageError("name the set by its ID or by --at, not by both")
    whole = [c for c in held if c.sidecar.snapshot.collection == address.name]
    fit = [c for c in whole if mark in ("", LATEST, c.sidecar.id)]
    fit = [c for c in fit if (at is None or c.sidecar.taken <= at)
           and (mark not in ("", LATEST) or c.set.state == "complete")]  # fmt: skip
    # Under a previous name it is the same owner.
    ours = settings.owners
    owners = sorted({settings.owner if (o := c.sidecar.owner) in ours else o for c in fit})
    hint = f"`qdrantctl snapshots list --from {url}` tells which there are."
    if not fit:
        raise QdrantctlError(f"{url} holds no set {words} that is whole", hint=hint)
    if len(owners) > 1:
        raise QdrantctlError(
            f"{url} holds sets of {address} of {', '.join(owners)}",
            hint=f"Name the folder of one of them, as in --from {url}/{owners[0]}.",
        )
    # What is further ahead was dated by a clock that was wrong; it is there to be named.
    until = now + AHEAD
    best = max(fit, key=lambda c: (c.sidecar.taken <= until, c.sidecar.taken))
    if best.set.state == "bad":
        raise StoreError(
            f"the set {best.set.folder} at {url} is damaged",
            why=torn(best.set) or "; ".join(best.set.verified.missed if best.set.verified else ()),
            hint=hint,
        )
    if mark not in ("", LATEST):
        return best
    upper = until if at is None else min(at, until)
    beside = (s for _, s in there if s.about and s.about.address == str(address))
    newer = (s for s in beside if s.about and best.sidecar.taken < s.about.taken <= upper)
    return replace(best, passed=tuple(s for s in newer if s.state != "complete"))


def _meant(words: str, names: set[str]) -> tuple[Address, str]:
    """The collection, and which set of it; names may hold an `@`, too. Raises UsageError."""
    name, at, mark = words.rpartition("@")
    try:
        whole = Address.parse(words)
        found = (Address.parse(name), mark) if at and whole.name not in names else (whole, "")
    except ValueError as error:
        raise UsageError(str(error), hint="As in collection/products@ID.") from None
    if found[0].kind != "collection":
        raise UsageError(f"{found[0]} is no collection", hint="As in collection/products@ID.")
    return found


def torn(each: Set) -> str:
    """Which file of a set is missing or cut off; empty where none is."""
    files = each.sidecar.snapshot.files if each.sidecar else ()
    for file in files:
        size = each.files.get(part(file.peer))
        if size is None:
            return f"The file of node {file.peer} is missing."
        if size != file.size:
            return f"The file of node {file.peer} has {size:,} bytes, {file.size:,} were written."
    return ""


def _sets(settings: Settings, work: Work, url: str) -> Iterator[tuple[Store, Set]]:
    stores = cluster_store.stores(settings, work) if url == CLUSTER else [elsewhere(url)]
    for store in stores:
        yield from ((store, each) for each in found(store))


def restoring(
    settings: Settings, work: Work, found: Chosen, wish: Wish, now: datetime
) -> Restoring:
    """What restoring a set would do. Reads only. Raises QdrantctlError."""
    door, about = work.door, found.sidecar
    fitting(about, door)
    old = about.snapshot.collection
    name = wish.name or f"{old}-restored-{now:%Y%m%d-%H%M%S}"
    there = standing(settings, door, name, wish, about.snapshot.aliases)
    if there.live and name == old and found.store.url == CLUSTER and stand_in.needed(door.server):
        raise stand_in.unread(door.server, there.address)
    taken, source = placed(found, door)
    nodes = work.nodes if door.server.peers > 1 else ()
    step = Restore(collection=old, snapshot=about.id, name=name, nodes=nodes)
    whole(step, taken, door)
    because = f"from {found.store.url}, taken {about.taken:%Y-%m-%d %H:%M} UTC: "
    because += f"{taken.points:,} points, {taken.size:,} bytes"
    if found.passed:
        marks = ", ".join(f"{s.about.id} is {s.state}" for s in found.passed if s.about)
        because += f"; {len(found.passed)} newer passed over: {marks}"
    ours = about.owner in settings.owners
    memory = ledger.read(door)
    plan = planned(settings, door, memory, there, taken, step, because, ours=ours)
    return Restoring(plan, step, taken, there, False, source, found.store.url)


def fitting(about: Sidecar, door: Door) -> None:
    """Raises QdrantctlError where this server cannot take what another version has written."""
    then, now = Version.parse(about.snapshot.server), door.server.version
    if (then.major, then.minor) != (now.major, now.minor):
        raise QdrantctlError(
            f"the set {about.id} was taken on Qdrant {then}, {door.server.url} is {now}",
            why="A snapshot is for servers of the same minor version.",
            hint=f"Start a server {then.major}.{then.minor}, restore there, and upgrade it.",
        )


def placed(found: Chosen, door: Door) -> tuple[Taken, Source]:
    """The files on nodes of this cluster, and where their bytes come from.

    On another cluster than the one they are from each goes to a node of its own. Raises
    QdrantctlError where there are too few.
    """
    taken = found.sidecar.snapshot
    peers = _peers(door)
    names = [file.peer for file in taken.files]
    if not set(names) <= set(peers):
        if len(names) > len(peers):
            raise QdrantctlError(
                f"the set {found.sidecar.id} is of {len(names)} nodes, {door.server.url} has "
                f"{len(peers)}",
                hint="Restore it on a cluster of as many nodes.",
            )
        files = (f.model_copy(update={"peer": p}) for f, p in zip(taken.files, peers, strict=False))
        taken = taken.model_copy(update={"files": tuple(files)})
    of: Mapping[str, str] = {f.peer: name for f, name in zip(taken.files, names, strict=True)}

    def source(file: File, _: NodeDoor) -> Iterator[bytes]:
        return found.store.read(found.set.folder + part(of[file.peer]))

    return taken, source


def _peers(door: Door) -> list[str]:
    """Every node; a server that stands alone has no name that matters."""
    told = door.ask(Call(method="GET", path="/cluster"))
    return sorted(told.get("peers") or {"0": {}})
