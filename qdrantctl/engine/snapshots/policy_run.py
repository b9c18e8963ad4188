"""What a run of a policy does, as steps: finish sets, take those that are due, remove old ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from qdrantctl.engine.snapshots.policy_status import DestinationStatus, PolicyStatus
from qdrantctl.engine.snapshots.retention import with_retention
from qdrantctl.model.snapshots.snapshot_set import SetInfo
from qdrantctl.model.step import RemoveSet, ResumeSet, TakeSet

SetStep = TakeSet | ResumeSet | RemoveSet
_COMING = "next"


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What the cluster says, beside what the destinations hold."""

    resumable: Collection[str] = ()
    """Folders of unfinished sets whose files the servers still hold, or may hold."""
    filled: Collection[str] = ()
    """Collections that have points. Others count as empty, and so push nothing out."""


def due_collections(
    policy: PolicyStatus, resumable: Collection[str], now: datetime
) -> Mapping[str, tuple[str, ...]]:
    """The collections that are due, each with the URLs of the destinations where it is."""
    due = {
        name: tuple(destination.url for destination in policy.destinations
                    if policy.due_time(name, destination, now, resumable))
        for name in policy.collections
    }  # fmt: skip
    return {name: urls for name, urls in due.items() if urls}


def plan_policy_run(
    policy: PolicyStatus, live: LiveFacts, now: datetime, nodes: tuple[str, ...] = ()
) -> tuple[SetStep, ...]:
    """The steps of a run, in their order. `nodes` is each node's own address in a cluster."""
    resume = tuple(_sets_to_resume(policy, live))
    take = tuple(
        TakeSet(collection=name, nodes=nodes, to=urls)
        for name, urls in due_collections(policy, live.resumable, now).items()
    )
    return (*resume, *take, *_removals(policy, take, live, now))


def _removals(
    policy: PolicyStatus, take: Sequence[TakeSet], live: LiveFacts, now: datetime
) -> Iterator[RemoveSet]:
    """What retention removes once everything is taken and finished, or could not be finished."""
    for destination in policy.destinations:
        planned = [
            _coming_set(step.collection, live, now) for step in take if destination.url in step.to
        ]
        finished = [
            _as_complete(snapshot_set) if _is_resumable(snapshot_set, live) else snapshot_set
            for snapshot_set in destination.sets
        ]
        expired = _expired_sets(policy, destination, [*finished, *planned], now)
        expired_folders = {snapshot_set.folder for snapshot_set in expired}
        abandoned = [
            snapshot_set
            for snapshot_set in _expired_sets(
                policy, destination, [*destination.sets, *planned], now
            )
            if _is_resumable(snapshot_set, live) and snapshot_set.folder not in expired_folders
        ]
        for snapshot_set in (*expired, *abandoned):
            yield RemoveSet(
                collection=snapshot_set.collection,
                folder=snapshot_set.folder,
                destination=destination.url,
                unless_finished=snapshot_set in abandoned,
            )


def _sets_to_resume(policy: PolicyStatus, live: LiveFacts) -> Iterator[ResumeSet]:
    """The sets of which the servers hold files, where a run can do something about it.

    Files are removed from the servers once the set is complete at every destination. One that
    cannot be read may be the servers themselves, or one that waits for the files.
    """
    sets_by_folder: dict[str, dict[str, SetInfo]] = {}
    for destination in policy.destinations:
        for snapshot_set in destination.sets:
            if policy.has_server_copies(snapshot_set):
                sets_by_folder.setdefault(snapshot_set.folder, {})[destination.url] = snapshot_set
    for folder, sets in sets_by_folder.items():
        unfinished = [
            snapshot_set for snapshot_set in sets.values() if snapshot_set.state == "unfinished"
        ]
        is_complete = (
            all(snapshot_set.has_manifest for snapshot_set in sets.values()) and not policy.errors
        )
        if is_complete or (unfinished and folder in live.resumable):
            name = next(snapshot_set.collection for snapshot_set in sets.values())
            yield ResumeSet(collection=name, folder=folder, destinations=tuple(sets))


def _expired_sets(
    policy: PolicyStatus, destination: DestinationStatus, sets: Sequence[SetInfo], now: datetime
) -> list[SetInfo]:
    """What retention would remove from a destination if it held these sets."""
    marked = with_retention(sets, policy.spec["retention"], policy.schedule.zone, now)
    return policy.expired_sets(replace(destination, sets=tuple(marked)))


def _is_resumable(snapshot_set: SetInfo, live: LiveFacts) -> bool:
    return snapshot_set.state == "unfinished" and snapshot_set.folder in live.resumable


def _as_complete(snapshot_set: SetInfo) -> SetInfo:
    """An unfinished set as it will be."""
    return replace(snapshot_set, state="complete", has_manifest=True)


def _coming_set(collection: str, live: LiveFacts, now: datetime) -> SetInfo:
    """A set that is still to be taken."""
    return SetInfo(
        folder=f"{collection}/{_COMING}/",
        state="complete",
        collection=collection,
        taken=now,
        has_manifest=True,
        has_points=collection in live.filled,
    )


def explain_run(policy: PolicyStatus, steps: Sequence[SetStep]) -> str:
    """Why a policy is run, in a line; empty where there is nothing to do."""
    due = [f"collection/{step.collection}" for step in steps if isinstance(step, TakeSet)]
    resumed = sum(len(step.destinations) for step in steps if isinstance(step, ResumeSet))
    removed = [
        f"{step.folder} from {step.destination}"
        for step in steps
        if isinstance(step, RemoveSet) and not step.unless_finished
    ]
    reasons = [
        f"{', '.join(due)} due" if due else "",
        f"{resumed} unfinished set{'s' * (resumed > 1)} of earlier runs completed"
        if resumed
        else "",
        f"retention removes {', '.join(removed)}" if removed else "",
        *(
            f"{destination.url} cannot be seen"
            for destination in policy.destinations
            if destination.error
        ),
        *(f"collection/{name} is being restored" for name in policy.restoring),
    ]
    return "; ".join(filter(None, reasons))
