"""The flow of `snapshots verify`: the newest sets become collections for a moment.

What is found is written beside the set, where list, plan and audit read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from json import loads
from uuid import uuid4

from qdrantctl.edges.settings import Settings
from qdrantctl.flows.keep import sample
from qdrantctl.flows.nodes import NodeDoor, Work, snapshots
from qdrantctl.flows.policies import SCRATCH, Place, Policy, policies
from qdrantctl.flows.put_back import carried_out
from qdrantctl.flows.restore import Restoring
from qdrantctl.flows.restore_set import Chosen, restoring, torn
from qdrantctl.flows.sets import put
from qdrantctl.flows.standing import Wish
from qdrantctl.model.backup import VERIFIED, Set, Verified
from qdrantctl.model.errors import ClusterError, DamagedError, StoreError
from qdrantctl.model.step import Call, collection_path

Tell = Callable[[Set, Verified], None]


def verify(settings: Settings, work: Work, only: tuple[str, ...], tell: Tell) -> bool:
    """Restore the newest set of each collection at each place; whether all are good.

    Raises QdrantctlError where something could not be tried: that says nothing of a set.
    """
    _sweep(settings, work)
    good = True
    for policy in policies(settings, work, only):
        for place in policy.places:
            if place.broken:
                raise StoreError(place.broken.removesuffix("."))
            for found in _newest(policy, place):
                work.go_on()
                work.say(f"{policy.address}: verifying {found.set.folder} at {place.url}")
                met = _tried(settings, work, found)
                if found.set.state == "complete" or found.set.verified:
                    put(found.store, found.set.folder + VERIFIED, met)
                tell(found.set, met)
                good = good and met.good
    return good


def _newest(policy: Policy, place: Place) -> Iterator[Chosen]:
    """The newest set of each collection, whole or not: a bad one must be told of."""
    for name in policy.collections:
        whole = [each for each in place.of(name) if each.sidecar and each.state != "leaving"]
        if whole and place.store and whole[-1].sidecar:
            yield Chosen(place.store, whole[-1], whole[-1].sidecar)


def _tried(settings: Settings, work: Work, found: Chosen) -> Verified:
    now, server = work.door.now, str(work.door.server.version)
    if missing := torn(found.set):
        return Verified(when=now, good=False, server=server, missed=(missing,))
    name = f"{SCRATCH}{uuid4().hex[:12]}"
    made = restoring(settings, work, found, Wish(name, lambda _: False, False), now)
    try:
        missed = (*carried_out(made, work), *_points(found, made, work.door))
    except DamagedError as error:
        missed = (f"{error.what}: {error.why}",)
    finally:
        _drop(name, settings, work)
    return Verified(when=now, good=not missed, server=server, missed=missed)


def _points(found: Chosen, made: Restoring, door: NodeDoor) -> Iterator[str]:
    """Points that were looked at when the set was taken, and are not the same any more."""
    then = found.sidecar.sample
    if not then:
        return
    now = sample(door, made.step.name, [loads(point) for point in then])
    for point in then:
        if now.get(point) != then[point]:
            yield f"point {point} (not as it was)"


def _drop(name: str, settings: Settings, work: Work) -> None:
    """Its snapshots first: those of a collection that is gone can be deleted by nobody."""
    nodes = settings.nodes if work.door.server.peers > 1 else ()
    for url in nodes or ("",):
        node = work.door.at(url, timeout=60)
        try:
            with suppress(ClusterError):
                for left in snapshots(node, name):
                    path = collection_path(name, "snapshots", left)
                    node.ask(Call(method="DELETE", path=path, query={"wait": "true"}))
        finally:
            node.close()
    work.door.ask(Call(method="DELETE", path=collection_path(name)))


def _sweep(settings: Settings, work: Work) -> None:
    """What a verification that died has left."""
    listed = work.door.ask(Call(method="GET", path="/collections"))["collections"]
    for entry in listed:
        if entry["name"].startswith(SCRATCH):
            _drop(entry["name"], settings, work)
