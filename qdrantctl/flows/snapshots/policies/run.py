"""The flow of `snapshots run`: what is due, as a plan, and doing that and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.partial_failure import noted
from qdrantctl.flows.snapshots.policies import backup as keep
from qdrantctl.flows.snapshots.policies.prune import departing
from qdrantctl.flows.snapshots.policies.status import Place, Policy, place, policies, untaken
from qdrantctl.flows.snapshots.sets.catalog import counted, put
from qdrantctl.flows.state.desired import Desired
from qdrantctl.kinds.cron_schedule import upcoming
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.report import Outcome, Report, Status, Stored
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import File, Taken
from qdrantctl.model.snapshots.snapshot_set import BEGUN, Set, Sidecar, part
from qdrantctl.model.step import Call, Snapshot, Step, collection_path


@dataclass(frozen=True, slots=True)
class Running:
    """A run that is planned."""

    plan: Plan
    policies: tuple[Policy, ...]
    entries: Mapping[Address, Mapping[str, Json]]
    settings: Settings


def running(settings: Settings, work: Work, only: tuple[str, ...]) -> Running:
    """What is due. Reads only. Raises ClusterError, UsageError."""
    found = tuple(policies(settings, work, only))
    memory = ledger.read(work.door)
    now = work.door.now
    plan = Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(work.door.server, memory.cluster_id),
        manifests_digest=Desired(Inventory(), ()).digest,
        changes=tuple(_change(policy, work, now) for policy in found),
    )
    return Running(plan, found, memory.entries, settings)


def _change(policy: Policy, work: Work, now: datetime) -> Change:
    waiting = _waiting(policy, work)
    due = list(_due(policy, work, now, waiting))
    words = [f"collection/{step.collection}" for step, _ in due]
    reasons = [f"{', '.join(words)} due"] if words else []
    left = sum(policy.holding(s) for p in policy.places for s in p.sets)
    reasons += [f"{left} set{'s' * (left > 1)} that a run has left are finished"] if left else []
    going = [f"{each.folder} from {url}" for url, each in _going(policy, due, waiting, work)]
    reasons += [f"retention removes {', '.join(going)}"] if going else []
    reasons += [f"{p.url} cannot be seen" for p in policy.places if p.broken]
    reasons += [f"collection/{name} is being restored" for name in policy.restoring]
    after = upcoming(policy.spec, now)
    rest = f"nothing is due before {after:%Y-%m-%d %H:%M} UTC" if after else "nothing is due"
    return Change(
        address=policy.address,
        action=Action.RUN if reasons else Action.NOOP,
        cause=Cause.EDIT,
        because="; ".join(reasons) or rest,
        steps=tuple(Step(snapshot=step) for step, _ in due),
    )


def _due(
    policy: Policy, work: Work, now: datetime, waiting: Collection[str]
) -> Iterator[tuple[Snapshot, datetime]]:
    """Each collection that is due, with the places where it is, and the time for which."""
    nodes = work.nodes if work.door.server.peers > 1 else ()
    for name in policy.collections:
        times = {p.url: at for p in policy.places if (at := policy.due(name, p, now, waiting))}
        if times:
            step = Snapshot(collection=name, nodes=nodes, to=tuple(times))
            yield step, max(times.values())


def _going(
    policy: Policy, due: list[tuple[Snapshot, datetime]], waiting: Collection[str], work: Work
) -> Iterator[tuple[str, Set]]:
    """What retention removes, and where, once all is there that is due or to be finished."""
    now = work.door.now
    coming = [(step, _next(policy, step, at, work)) for step, at in due]
    for where in policy.places:
        sets = [
            _whole(where, s.begun) if s.begun and not s.sidecar and s.folder in waiting else s
            for s in where.sets
        ]
        here = (each for step, each in coming if where.url in step.to)  # type: ignore[operator]
        sets += [_whole(where, each) for each in here]
        then = replace(where, sets=tuple(counted(sets, policy.spec, now)))
        yield from ((where.url, each) for each in policy.superfluous(then))


def _next(policy: Policy, step: Snapshot, slot: datetime, work: Work) -> Sidecar:
    """A set that is not there yet, with as many points as its collection has now.

    Where that is not told it counts as empty, and so pushes nothing out.
    """
    points = 0
    with suppress(ClusterError):
        told = work.door.ask(Call(method="GET", path=collection_path(step.collection)))
        points = told.get("points_count") or 0
    file = File(peer="next", name="next", size=0, checksum="", shards={0: (points, points)})
    return Sidecar(
        owner=policy.owner,
        policy=policy.name,
        id="next",
        scheduled=slot,
        taken=work.door.now,
        snapshot=Taken(
            id="next", collection=step.collection, server="", aliases=(), spec={}, files=(file,)
        ),
    )


def _whole(where: Place, about: Sidecar) -> Set:
    """A set as it will be."""
    files = {part(file.peer): file.size for file in about.snapshot.files}
    return Set(where.url, about.folder, files, sidecar=about)


def _waiting(policy: Policy, work: Work) -> set[str]:
    """The folders of sets that are to be finished."""
    return {s.folder for p in policy.places for s in p.sets if _waits(s, work)}


def _waits(each: Set, work: Work) -> bool:
    """Whether a set is to be finished, so that no other is taken for the same time.

    Else whoever runs into a full store every few minutes would fill the disks of the servers, too.
    """
    if each.state != "unfinished" or not each.begun:
        return False
    try:
        return not keep.source_gone(each.begun, work)
    except QdrantctlError:
        return True  # as long as nobody knows


@dataclass(slots=True)
class Met:
    """What became of a policy, as it is found out."""

    taken: list[Stored] = field(default_factory=list)
    removed: list[Stored] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)
    """Each cause, with what it befell: a node that is down befalls every collection alike."""

    @contextmanager
    def told(self, about: str) -> Iterator[list[str]]:
        """Turns an error into words, which it also gives. Raises LeaseError: nothing may follow."""
        with noted(about) as errors:
            yield errors
        for line in errors:
            # A cause that names what it befell would be another one for each.
            cause = line.removeprefix(f"{about}: ").removeprefix(f"{about}: ")
            self.errors.setdefault(cause, []).append(about)

    @property
    def error(self) -> str:
        """All that went wrong in one line."""
        befell = {cause: ", ".join(dict.fromkeys(names)) for cause, names in self.errors.items()}
        return " ".join(f"{names}: {cause}" if names else cause for cause, names in befell.items())


def run(made: Running, work: Work, tell: Callable[[Outcome], None]) -> Report:
    """Do what is due, under the lease. What fails leaves the rest of it alone."""
    outcomes = []
    for policy, change in zip(made.policies, made.plan.changes, strict=True):
        started = time.monotonic()
        met = Met()
        if change.action is Action.RUN and not work.stop():
            _policy(policy, made, work, met)
        status = Status.DONE if change.action is Action.RUN else Status.NOOP
        status = Status.NOT_REACHED if work.stop() and not met.errors else status
        outcomes.append(
            Outcome(
                address=policy.address,
                action=change.action,
                status=Status.FAILED if met.errors else status,
                error=met.error,
                seconds=round(time.monotonic() - started, 3),
                taken=tuple(met.taken),
                removed=tuple(met.removed),
            )
        )
        tell(outcomes[-1])
    return Report.of(made.plan, outcomes, command="snapshots run", interrupted=work.stop())


def _policy(policy: Policy, made: Running, work: Work, met: Met) -> None:
    """Finish what was left, take what is due, remove what is no longer kept."""
    for told in (*(p.broken for p in policy.places if p.broken), *map(untaken, policy.restoring)):
        met.errors[told] = [""]
    before = _whole_sets(policy).keys()
    _finished(policy, work, met)
    policy = _again(policy, made.settings, work)
    for step, slot in _due(policy, work, work.door.now, _waiting(policy, work)):
        entry = made.entries.get(Address("collection", step.collection), {})
        entry = entry if entry.get("owner") in made.settings.owners else {}
        about = {"owner": policy.owner, "policy": policy.name, "scheduled": slot}
        _taken(policy, step, about, entry, work, met)
    policy = _again(policy, made.settings, work)
    met.taken += [_stored(s) for key, s in _whole_sets(policy).items() if key not in before]
    _tidied(policy, work, met)
    _pruned(policy, work, met)


def _whole_sets(policy: Policy) -> dict[tuple[str, str], Set]:
    """The sets that are whole, by where they are."""
    sets = (each for where in policy.places for each in where.sets if each.state == "complete")
    return {(each.destination, each.folder): each for each in sets}


def _stored(each: Set) -> Stored:
    about = each.about
    return Stored(
        destination=each.destination,
        folder=each.folder,
        address=about.address if about else "",
        id=about.id if about else "",
        size=each.size - each.files.get(BEGUN, 0),  # which is there for the time being
    )


def _again(policy: Policy, settings: Settings, work: Work) -> Policy:
    """The same policy, its places as they are now."""
    places = (place(settings, work, policy.name, policy.spec, p.url) for p in policy.places)
    return replace(policy, places=tuple(places))


def _finished(policy: Policy, work: Work, met: Met) -> None:
    """Go on with what a run has left, where the servers still hold it."""
    for where in policy.places:
        for each in where.sets:
            if each.state == "unfinished" and each.begun and where.store:
                with met.told(each.begun.address):
                    if not keep.source_gone(each.begun, work):
                        keep.copied(where.store, each.begun, each.files, work)


def _taken(
    policy: Policy,
    step: Snapshot,
    about: Mapping[str, Any],
    entry: Mapping[str, Json],
    work: Work,
    met: Met,
) -> None:
    """Take a set and copy it to each place where it is due."""
    address = f"collection/{step.collection}"
    with met.told(address) as errors:
        sidecar = keep.begin(step, about, entry, work)
    if errors:
        return
    places = [p for p in policy.places if p.url in step.to]  # type: ignore[operator]
    sidecar = _unlike(sidecar, places)
    written = 0
    for where in places:
        assert where.store is not None
        with met.told(address):
            put(where.store, sidecar.folder + BEGUN, sidecar)
            written += 1
            keep.copied(where.store, sidecar, {}, work)
    if not written:
        with met.told(address):
            keep.dropped(sidecar, work)


def _unlike(sidecar: Sidecar, places: list[Place]) -> Sidecar:
    """With an id that no other set has: a clock that steps back comes to a second again."""
    there = {each.folder for where in places for each in where.sets}
    found, number = sidecar, 1
    while found.folder in there:
        number += 1
        found = sidecar.model_copy(update={"id": f"{sidecar.id}.{number}"})
    return found


def _tidied(policy: Policy, work: Work, met: Met) -> None:
    """Remove what the servers need no longer keep.

    A place that cannot be seen may be the servers themselves, or one that waits for their files.
    """
    if any(where.broken for where in policy.places):
        return
    left: dict[str, list[tuple[Any, Set]]] = {}
    for where in policy.places:
        for each in where.sets:
            if policy.holding(each):
                left.setdefault(each.folder, []).append((where.store, each))
    for folder, sets in left.items():
        kept = {p.url for p in policy.places for s in p.sets if s.folder == folder}
        about = sets[0][1].about
        with met.told(about.address if about else ""):
            keep.tidied(sets, work, keep=CLUSTER in kept)


def _pruned(policy: Policy, work: Work, met: Met) -> None:
    """Remove what retention no longer keeps."""
    for each in departing(policy):
        with met.told(each.set.about.address if each.set.about else ""):
            work.go_on()
            work.say(f"{policy.address}: removing {each.set.folder} from {each.store.url}")
            each.remove(work)
            met.removed.append(_stored(each.set))
