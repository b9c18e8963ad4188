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
        name: tuple(each.url for each in policy.destinations
                    if policy.due_time(name, each, now, resumable))
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
    for where in policy.destinations:
        expired, given_up = _sets_to_remove(policy, where, take, live, now)
        for each in (*expired, *given_up):
            yield RemoveSet(
                collection=each.collection,
                folder=each.folder,
                destination=where.url,
                unless_finished=each in given_up,
            )


def _sets_to_remove(
    policy: PolicyStatus,
    where: DestinationStatus,
    take: Sequence[TakeSet],
    live: LiveFacts,
    now: datetime,
) -> tuple[list[SetInfo], list[SetInfo]]:
    """What retention removes from a destination, and what it does if that cannot be finished."""
    coming = [_coming_set(step.collection, live, now) for step in take if where.url in step.to]
    finished = [_as_complete(each) if _is_resumable(each, live) else each for each in where.sets]
    expired = _expired_sets(policy, where, [*finished, *coming], now)
    folders = {each.folder for each in expired}
    given_up = [
        each
        for each in _expired_sets(policy, where, [*where.sets, *coming], now)
        if _is_resumable(each, live) and each.folder not in folders
    ]
    return expired, given_up


def removal_notices(
    policy: PolicyStatus, steps: Sequence[SetStep], live: LiveFacts, now: datetime
) -> tuple[str, ...]:
    """Why sets stay that retention would remove, for each destination where the clocks disagree."""
    take = [step for step in steps if isinstance(step, TakeSet)]
    return tuple(
        where.removal_notice
        for where in policy.destinations
        if where.clock_disagreement
        and any(_sets_to_remove(policy, replace(where, clock_disagreement=""), take, live, now))
    )


def _sets_to_resume(policy: PolicyStatus, live: LiveFacts) -> Iterator[ResumeSet]:
    """The sets of which the servers hold files, where a run can do something about it.

    Files are removed from the servers once the set is complete at every destination. One that
    cannot be read may be the servers themselves, or one that waits for the files.
    """
    begun: dict[str, dict[str, SetInfo]] = {}
    for where in policy.destinations:
        for each in where.sets:
            if policy.has_server_copies(each):
                begun.setdefault(each.folder, {})[where.url] = each
    for folder, sets in begun.items():
        unfinished = [each for each in sets.values() if each.state == "unfinished"]
        is_complete = all(each.has_manifest for each in sets.values()) and not policy.errors
        if is_complete or (unfinished and folder in live.resumable):
            name = next(each.collection for each in sets.values())
            yield ResumeSet(collection=name, folder=folder, destinations=tuple(sets))


def _expired_sets(
    policy: PolicyStatus, where: DestinationStatus, sets: Sequence[SetInfo], now: datetime
) -> list[SetInfo]:
    """What retention would remove from a destination if it held these sets."""
    kept = with_retention(sets, policy.spec["retention"], policy.schedule.zone, now)
    return policy.expired_sets(replace(where, sets=tuple(kept)))


def _is_resumable(each: SetInfo, live: LiveFacts) -> bool:
    return each.state == "unfinished" and each.folder in live.resumable


def _as_complete(each: SetInfo) -> SetInfo:
    """An unfinished set as it will be."""
    return replace(each, state="complete", has_manifest=True)


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
    begun = sum(len(step.destinations) for step in steps if isinstance(step, ResumeSet))
    removed = [
        f"{step.folder} from {step.destination}"
        for step in steps
        if isinstance(step, RemoveSet) and not step.unless_finished
    ]
    reasons = [
        f"{', '.join(due)} due" if due else "",
        f"{begun} set{'s' * (begun > 1)} that a run has left are finished" if begun else "",
        f"retention removes {', '.join(removed)}" if removed else "",
        *(f"{where.url} cannot be seen" for where in policy.destinations if where.error),
        *(f"collection/{name} is being restored" for name in policy.restoring),
        *notices,
    ]
    return "; ".join(filter(None, reasons))
