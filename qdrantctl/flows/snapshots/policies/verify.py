"""The flow of `snapshots verify`: the newest sets become collections for a moment.

What is found is written beside the set, where list, plan and audit read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from qdrantctl.adapters.local_server.scratch import servers, swept
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import Cluster
from qdrantctl.flows.cluster.nodes import Work, snapshots
from qdrantctl.flows.partial_failure import noted
from qdrantctl.flows.snapshots.policies.sample import unlike_sample
from qdrantctl.flows.snapshots.policies.status import SCRATCH, Place, Policy, policies
from qdrantctl.flows.snapshots.restore.from_set import Chosen, restoring, torn
from qdrantctl.flows.snapshots.restore.run import carried_out
from qdrantctl.flows.snapshots.restore.target import Wish
from qdrantctl.flows.snapshots.sets.catalog import put
from qdrantctl.model.errors import ClusterError, DamagedError, SnapshotRejected
from qdrantctl.model.snapshots.snapshot_set import VERIFIED, Set, Verified
from qdrantctl.model.step import Call, collection_path

Tell = Callable[[Set, Verified], None]


def verify(
    settings: Settings, work: Work, only: tuple[str, ...], tell: Tell, *, embedded: bool
) -> tuple[str, ...]:
    """Restore the newest set of each collection at each place; why others could not be tried.

    With `embedded` on servers of this machine, which are empty at first and gone afterwards. What
    could not be tried says nothing of a set. Raises QdrantctlError.
    """
    _sweep(settings, work)
    untried: list[str] = []
    for policy in policies(settings, work, only):
        for place in policy.places:
            untried += [place.broken] if place.broken else []
            for found in _newest(policy, place):
                work.go_on()
                what = f"{found.set.folder} at {place.url}"
                work.say(f"{policy.address}: verifying {what}")
                with noted(what) as errors:
                    met = _met(settings, work, found, embedded=embedded)
                    if found.set.state == "complete" or found.set.verified:
                        put(found.store, found.set.folder + VERIFIED, met)
                    tell(found.set, met)
                if errors:
                    work.go_on()
                untried += errors
    return tuple(untried)


def _newest(policy: Policy, place: Place) -> Iterator[Chosen]:
    """The newest set of each collection, whole or not: a bad one must be told of."""
    for name in policy.collections:
        whole = [each for each in place.of(name) if each.sidecar and each.state != "leaving"]
        if whole and place.store and whole[-1].sidecar:
            yield Chosen(place.store, whole[-1], whole[-1].sidecar)


def _met(settings: Settings, work: Work, found: Chosen, *, embedded: bool) -> Verified:
    now, server = work.door.now, work.door.server.version
    if missing := torn(found.set):
        missed: tuple[str, ...] = (missing,)
    else:
        files = len(found.sidecar.snapshot.files)
        there = _embedded(settings, work, files) if embedded else nullcontext(work)
        with there as scratch:
            server = scratch.door.server.version
            missed = _missed(settings, now, scratch, found)
    return Verified(when=now, good=not missed, server=str(server), missed=missed)


@contextmanager
def _embedded(settings: Settings, work: Work, count: int) -> Iterator[Work]:
    """Work on as many servers of this machine."""
    with servers(settings.root, count, work.say) as endpoints, Cluster(endpoints[0]) as door:
        yield Work(door, work.say, work.stop, tuple(endpoint.url for endpoint in endpoints))


def _missed(settings: Settings, now: datetime, work: Work, found: Chosen) -> tuple[str, ...]:
    """What is not as it was. Of a server that refuses once it may have been a bad moment."""
    try:
        try:
            return _tried(settings, now, work, found)
        except SnapshotRejected:
            return _tried(settings, now, work, found)
    except (DamagedError, SnapshotRejected) as error:
        return (f"{error.what}: {error.why}",)


def _tried(settings: Settings, now: datetime, work: Work, found: Chosen) -> tuple[str, ...]:
    """Restore a set through this door and compare; what was made is deleted again."""
    name = f"{_ours(settings)}{uuid4().hex[:12]}"
    made = restoring(settings, work, found, Wish(name, lambda _: False, False), now)
    try:
        missed, _ = carried_out(made, work)
        return (*missed, *unlike_sample(found.sidecar, name, work.door))
    finally:
        _drop(name, work)


def _drop(name: str, work: Work) -> None:
    """Its snapshots first: those of a collection that is gone can be deleted by nobody."""
    nodes = work.nodes if work.door.server.peers > 1 else ()
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
    """What a verification that died has left, on this machine and in the cluster."""
    swept(settings.root)
    listed = work.door.ask(Call(method="GET", path="/collections"))["collections"]
    for entry in listed:
        if entry["name"].startswith(_ours(settings)):
            _drop(entry["name"], work)


def _ours(settings: Settings) -> str:
    """How the collections begin that this owner makes: another one may be verifying, too."""
    return f"{SCRATCH}{sha256(settings.owner.encode()).hexdigest()[:8]}-"
