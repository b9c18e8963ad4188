"""The steps of a policy run: finish sets, take those that are due, remove expired ones."""

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
    """Facts from the cluster, besides the contents of the destinations."""

    resumable: Collection[str] = ()
    """Folders of unfinished sets whose files the servers still have, or may have."""
    filled: Collection[str] = ()
    """Collections that have points. Others count as empty: their sets expire no other set."""


def due_collections(
    policy: PolicyStatus, resumable: Collection[str], now: datetime
) -> Mapping[str, tuple[str, ...]]:
    """The collections that are due, each with the URLs of the destinations that need a set."""
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
    """The sets that retention removes after the other steps, whether they succeed or fail."""
    for destination in policy.destinations:
        expired, abandoned = _sets_to_remove(policy, destination, take, live, now)
        for snapshot_set in (*expired, *abandoned):
            yield RemoveSet(
                collection=snapshot_set.collection,
                folder=snapshot_set.folder,
                destination=destination.url,
                unless_finished=snapshot_set in abandoned,
            )


def _sets_to_remove(
    policy: PolicyStatus,
    destination: DestinationStatus,
    take: Sequence[TakeSet],
    live: LiveFacts,
    now: datetime,
) -> tuple[list[SetInfo], list[SetInfo]]:
    """The sets that retention removes from a destination, and those it removes if unfinished."""
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
        for snapshot_set in _expired_sets(policy, destination, [*destination.sets, *planned], now)
        if _is_resumable(snapshot_set, live) and snapshot_set.folder not in expired_folders
    ]
    return expired, abandoned


def removal_notices(
    policy: PolicyStatus, steps: Sequence[SetStep], live: LiveFacts, now: datetime
) -> tuple[str, ...]:
    """Why expired sets are kept, for each destination for which the clocks disagree."""
    take = [step for step in steps if isinstance(step, TakeSet)]
    return tuple(
        destination.removal_notice
        for destination in policy.destinations
        if destination.clock_disagreement
        and any(
            _sets_to_remove(policy, replace(destination, clock_disagreement=""), take, live, now)
        )
    )


def _sets_to_resume(policy: PolicyStatus, live: LiveFacts) -> Iterator[ResumeSet]:
    """The sets with files on the servers that a run can finish or remove.

    Files are removed from the servers once the set is complete at every destination. They stay
    while a destination cannot be read: it may be the servers, or still need the files.
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
    """The sets that retention would remove from a destination with these sets."""
    marked = with_retention(sets, policy.spec["retention"], policy.schedule.zone, now)
    return policy.expired_sets(replace(destination, sets=tuple(marked)))


def _is_resumable(snapshot_set: SetInfo, live: LiveFacts) -> bool:
    return snapshot_set.state == "unfinished" and snapshot_set.folder in live.resumable


def _as_complete(snapshot_set: SetInfo) -> SetInfo:
    """An unfinished set as it will be once it is complete."""
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


def explain_run(policy: PolicyStatus, steps: Sequence[SetStep], notices: Sequence[str] = ()) -> str:
    """Why a policy is run, in a line; empty where there is nothing to do.

    `notices` say why sets are not removed.
    """
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
        *notices,
    ]
    return "; ".join(filter(None, reasons))
