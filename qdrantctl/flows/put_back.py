"""Carrying out a restore: what stands in its way is kept first, its aliases come last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from qdrantctl.edges import ledger
from qdrantctl.edges.identity import Identity
from qdrantctl.flows import stand_in
from qdrantctl.flows.execute import wait_green
from qdrantctl.flows.nodes import Work
from qdrantctl.flows.records import applied, pending
from qdrantctl.flows.recover import patiently, readable, recover
from qdrantctl.flows.restore import Restoring
from qdrantctl.flows.safety import take
from qdrantctl.flows.standing import taken_down, there, unlike
from qdrantctl.model.address import Address
from qdrantctl.model.change import Change
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.kind import Door
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.rule import Json
from qdrantctl.model.snapshot import way_back
from qdrantctl.model.step import Snapshot, calls

SOUND = ("green", "grey")
"""A collection is grey whose indexing goes on with its next write."""


def restore(made: Restoring, work: Work, identity: Identity) -> Report:
    """Carry it out; the aliases last, and only if the collection is what was taken."""
    started = time.monotonic()
    change, *moves = made.plan.changes
    kept, error, missed = dict[str, Json](), "", tuple[str, ...]()
    try:
        _begun(made, work.door)
        if made.standing.live:
            kept = _out_of_the_way(made, change, work)
        missed = carried_out(made, work)
    except QdrantctlError as failure:
        error = failure.line
    done = Status.FAILED if error else Status.NOT_TAKEN if missed else Status.DONE
    outcome = Outcome(
        address=change.address,
        action=change.action,
        status=done,
        error=error,
        missed=missed,
        way_back=_way_back(made, kept),
        seconds=round(time.monotonic() - started, 3),
    )
    outcomes = [outcome]
    for move in moves:
        whole = outcomes[-1].status is Status.DONE
        outcomes.append(_moved(move, work) if whole else _not_reached(move))
    _over(made, error, missed, work.door)
    if outcomes[-1].status is Status.DONE:
        _recorded(made, kept, work.door, identity)
    return Report(
        project=made.plan.project,
        environment=made.plan.environment,
        url=made.plan.server.url,
        plan_digest=str(made.plan.document()["digest"]),
        outcomes=tuple(outcomes),
        interrupted=work.stop(),
    )


def _begun(made: Restoring, door: Door) -> None:
    """Write down what is begun, so that the next run can go on. Raises ClusterError.

    Over a collection that stands nobody goes on without being told to again.
    """
    if made.source is not None:
        return
    begun = {"snapshot": made.taken.id}
    if not made.standing.live:
        begun["as"] = made.step.name
    if not made.listed and stand_in.needed(door.server):
        begun["stand_in"] = made.step.collection
    if len(begun) > 1:
        ledger.write(door, [{**made.entry, "restoring": begun}])


def _over(made: Restoring, error: str, missed: tuple[str, ...], door: Door) -> None:
    """Forget what was begun, where there is nothing to go on with."""
    if made.source is not None or missed or (error and not _nothing(made, door)):
        return
    plain = {word: value for word, value in made.entry.items() if word != "restoring"}
    with suppress(ClusterError):
        ledger.write(door, [plain])


def _out_of_the_way(made: Restoring, change: Change, work: Work) -> dict[str, Json]:
    """See that the snapshot is sound, keep what stands there, and take it down.

    What the ledger holds of it from now on. Raises QdrantctlError.
    """
    live = made.standing.live
    assert live is not None
    try:
        readable(made.step, made.taken, work, made.source)
        taken = take(Snapshot(collection=made.step.name, nodes=made.step.nodes), live, work)
    except QdrantctlError as failure:
        failure.hint = f"{failure.hint} Nothing of {made.address} was destroyed.".strip()
        raise
    before = made.standing.entry
    kept = pending(change, before, live, made.plan.owner, taken)
    if not made.standing.ours:
        kept["deleted"] = True  # else the next apply would find it managed, and stated by nobody
    ledger.write(work.door, [kept])
    taken_down(made.address, replace(work, nodes=made.step.nodes))
    return kept


def _way_back(made: Restoring, kept: Mapping[str, Json]) -> str:
    snapshot = (kept.get("pending") or {}).get("snapshot", "")
    return way_back(made.address, snapshot, made.plan.environment) if snapshot else ""


def _moved(move: Change, work: Work) -> Outcome:
    """Put an alias at the collection, and read it back."""
    started, error, missed = time.monotonic(), "", tuple[str, ...]()
    wanted = move.fields[0].desired

    def elsewhere() -> tuple[str, ...]:
        found = there(work.door, move.where).get(move.where)
        now = found.spec["collection"] if found else "nothing"
        return () if now == wanted else (f"collection (asked {wanted}, shows {now})",)

    try:
        for call in calls(move.steps):
            work.door.ask(call)
        missed = patiently(elsewhere)
    except QdrantctlError as failure:
        error = failure.line
    return Outcome(
        address=move.address,
        action=move.action,
        status=Status.FAILED if error else Status.NOT_TAKEN if missed else Status.DONE,
        error=error,
        missed=missed,
        seconds=round(time.monotonic() - started, 3),
    )


def _not_reached(move: Change) -> Outcome:
    return Outcome(address=move.address, action=move.action, status=Status.NOT_REACHED)


def _recorded(made: Restoring, kept: Mapping[str, Json], door: Door, identity: Identity) -> None:
    """Have the ledger know the collection as the one that was applied. Raises ClusterError."""
    if made.standing.ours:
        before = dict(kept) or made.standing.entry
        live = there(door, made.address).get(made.address)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        change = made.plan.changes[0]
        entry = applied(change, before, live, door.server, identity, when)
    elif kept:
        entry = {word: value for word, value in kept.items() if word != "pending"}
    else:
        return
    ledger.write(door, [{word: value for word, value in entry.items() if word != "restoring"}])


def carried_out(made: Restoring, work: Work) -> tuple[str, ...]:
    """Make the collection; what is not as it was. Raises QdrantctlError."""
    replaced = made.standing.live is not None and made.step.name == made.step.collection
    listed = made.listed and not replaced
    missed = recover(made.step, made.taken, work, listed=listed, source=made.source)

    def told(address: Address, status: str, indexed: int, points: int) -> None:
        work.say(f"{address}: {status}, {indexed:,} of {points:,} points indexed")

    statuses = wait_green(work.door, [made.address], told, work.stop).values()
    settings = patiently(lambda: _settings_missed(made, work.door))
    return (*missed, *settings, *(f"status ({word})" for word in statuses if word not in SOUND))


def _nothing(made: Restoring, door: Door) -> bool:
    """Whether nothing was left to go on with; where that cannot be seen the next run does."""
    old = made.step.collection
    with suppress(ClusterError):
        left = not made.listed and stand_in.needed(door.server) and stand_in.is_one(door, old)
        return made.address not in there(door, made.address) and not left
    return False


def _settings_missed(made: Restoring, door: Door) -> tuple[str, ...]:
    """Settings that are not as they were when the snapshot was taken."""
    found = there(door, made.address).get(made.address)
    return unlike(found.spec if found else {}, made.taken.spec)
