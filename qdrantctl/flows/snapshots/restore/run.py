"""Carrying out a restore: what stands in its way is kept first, its aliases come last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.indexing import YELLOW, awhile
from qdrantctl.flows.cluster.nodes import Work, exists
from qdrantctl.flows.snapshots import placeholder as stand_in
from qdrantctl.flows.snapshots.restore.plan import Restoring
from qdrantctl.flows.snapshots.restore.target import seen, taken_down, unlike
from qdrantctl.flows.snapshots.restore.upload import patiently, readable, recover
from qdrantctl.flows.snapshots.take import take
from qdrantctl.flows.state.ledger_entry import applied, first, pending
from qdrantctl.model.actor import Identity
from qdrantctl.model.change import Change
from qdrantctl.model.client import Door
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.snapshots.snapshot import Underway, underway, way_back
from qdrantctl.model.step import Snapshot, calls


def restore(made: Restoring, work: Work, identity: Identity) -> Report:
    """Carry it out; the aliases last."""
    started = time.monotonic()
    change, *moves = made.plan.changes
    back, error, note, missed = "", "", "", tuple[str, ...]()
    entry = dict(made.standing.entry)
    try:
        if made.standing.live:
            entry = _kept(made, work)
        entry = _marked(made, entry, work.door, identity)
        back = _way_back(made, entry)
        if made.standing.live:
            taken_down(made.address, replace(work, nodes=made.step.nodes))
        missed, note = carried_out(made, work)
    except QdrantctlError as failure:
        error = failure.line
    status = Status.FAILED if error else Status.NOT_TAKEN if missed else Status.DONE
    outcome = Outcome(
        address=change.address,
        action=change.action,
        status=status,
        error=error,
        missed=missed,
        note=note,
        way_back=back,
        seconds=round(time.monotonic() - started, 3),
    )
    outcomes = [outcome]
    for move in moves:
        # Whoever writes meanwhile makes the points other than they were. What was taken down with
        # the collection is wanted all the same.
        may = status is Status.DONE or (not error and move.where.name in made.standing.down)
        outcomes.append(_moved(move, work) if may else _not_reached(move))
    if error:
        _nothing_left(made, entry, work.door)
    elif all(each.status is not Status.FAILED for each in outcomes):
        try:
            _recorded(made, entry, work.door, identity)
        except QdrantctlError as failure:  # what was done is told all the same
            failed = {"status": Status.FAILED, "error": failure.line}
            outcomes[0] = outcome.model_copy(update=failed)
    stopped = work.stop()
    return Report.of(made.plan, outcomes, command="snapshots restore", interrupted=stopped)


def _kept(made: Restoring, work: Work) -> dict[str, Json]:
    """See that the snapshot is sound, and keep what stands there.

    What the ledger will hold of it. Raises QdrantctlError.
    """
    live, change = made.standing.live, made.plan.changes[0]
    assert live is not None
    try:
        readable(made.step, made.taken, work, made.source)
        for call in calls(made.plan.prepare):
            work.door.ask(call)
        taken = take(Snapshot(collection=made.step.name, nodes=made.step.nodes), live, work)
    except QdrantctlError as failure:
        failure.hint = f"{failure.hint} Nothing of {made.address} was destroyed.".strip()
        raise
    return pending(change, made.standing.entry, live, made.plan.owner, taken)


def _marked(
    made: Restoring, before: Mapping[str, Json], door: Door, identity: Identity
) -> dict[str, Json]:
    """Write down that a restore is under way. Raises ClusterError.

    Until it ends no apply and no policy takes what is there for the collection. What the ledger
    holds; empty where there is none, which then knows of nobody to be kept from it.
    """
    standing = made.standing
    if not (standing.ledger or standing.live):
        return {}
    left = underway(standing.entry)
    safe = str((before.get("pending") or {}).get("snapshot", ""))
    mark = Underway(
        collection=made.step.collection,
        snapshot=made.taken.id,
        source=made.url,
        aliases=tuple(sorted(standing.down)),
        # What stands there after a restore that died is no more than that one has left.
        replaced=left.replaced if left and left.replaced else safe,
        stand_in=made.source is None and not made.listed and stand_in.needed(door.server),
        who=identity.who,
        when=_now(),
    )
    entry = {**(before or first(made.plan.changes[0], made.plan.owner))}
    entry.pop("pending", None)
    if not standing.ours:
        entry["deleted"] = True  # else the next apply would find it managed, and stated by nobody
    entry["restoring"] = mark.model_dump(mode="json")
    ledger.write(door, [entry])
    return entry


def _way_back(made: Restoring, entry: Mapping[str, Json]) -> str:
    mark = underway(entry)
    replaced = mark.replaced if mark else ""
    return way_back(made.address, replaced, made.plan.environment) if replaced else ""


def _moved(move: Change, work: Work) -> Outcome:
    """Put an alias at the collection, and read it back."""
    started, error, missed = time.monotonic(), "", tuple[str, ...]()
    wanted = move.fields[0].desired

    def elsewhere() -> tuple[str, ...]:
        found = seen(work.door, move.where).get(move.where)
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


def _recorded(made: Restoring, before: Mapping[str, Json], door: Door, identity: Identity) -> None:
    """Have the ledger know the collection as the one that was applied. Raises ClusterError."""
    if not before:
        return
    entry = {word: value for word, value in before.items() if word != "restoring"}
    if made.standing.ours:
        live = seen(door, made.address).get(made.address)
        mark = underway(before)
        replaced = {"pending": {"snapshot": mark.replaced}} if mark and mark.replaced else {}
        change = made.plan.changes[0]
        entry = applied(change, entry | replaced, live, door.server, identity, _now())
    _settled(door, entry)


def _nothing_left(made: Restoring, before: Mapping[str, Json], door: Door) -> None:
    """Forget what was begun where nothing came of it. Where that cannot be seen it stays.

    So does what an earlier one has left to be put back.
    """
    untouched = not (made.standing.live or underway(made.standing.entry))
    with suppress(ClusterError):
        if before and untouched and not exists(door, made.step.name):
            _settled(door, made.standing.entry or before)


def _settled(door: Door, before: Mapping[str, Json]) -> None:
    """The entry of a name without what was under way; gone where it tells of nothing else."""
    entry = {word: value for word, value in before.items() if word != "restoring"}
    if entry.get("deleted") and not (entry.get("snapshots") or entry.get("history")):
        ledger.remove(door, str(entry["address"]))
    else:
        ledger.write(door, [entry])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def carried_out(made: Restoring, work: Work) -> tuple[tuple[str, ...], str]:
    """Make the collection: what is not as it was, and a note. Raises QdrantctlError.

    Whether all is indexed says nothing of what was restored.
    """
    replaced = made.standing.live is not None and made.step.name == made.step.collection
    listed = made.listed and not replaced
    missed = recover(made.step, made.taken, work, listed=listed, source=made.source)
    status = awhile(work, made.address)
    settings = patiently(lambda: _settings_missed(made, work.door))
    broken = ("status (red)",) if status == "red" else ()
    note = "the server is still indexing it (yellow)" if status == YELLOW else ""
    return (*missed, *settings, *broken), note


def _settings_missed(made: Restoring, door: Door) -> tuple[str, ...]:
    """Settings that are not as they were when the snapshot was taken."""
    found = seen(door, made.address).get(made.address)
    return unlike(found.spec if found else {}, made.taken.spec)
