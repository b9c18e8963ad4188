"""Carrying out a plan: its steps and no others, each resource read back before it is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from qdrantctl.edges import ledger
from qdrantctl.edges.identity import Identity
from qdrantctl.engine.diff import Lens, diff
from qdrantctl.flows.observe import observe
from qdrantctl.flows.plan import Planned
from qdrantctl.flows.records import applied, pending
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.kind import Asked, Door
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.resource import Inventory, Resource, canonical
from qdrantctl.model.rule import ABSENT, Effect, Json
from qdrantctl.model.spec import shape_of
from qdrantctl.model.step import Call, collection_path

SETTLED = 2.0
"""Seconds within which every node of a cluster shows a change that it has answered ok to."""
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Run:
    """One apply: what it carries out, for whom, and whom it tells."""

    planned: Planned
    door: Door
    identity: Identity
    tell: Callable[[Outcome], None]
    starting: Callable[[Change], None]
    stop: Callable[[], bool]
    """Whether somebody asked to stop; looked at between two requests."""


class Interrupted(Exception):
    """Somebody asked to stop between two steps."""


def execute(run: Run) -> Report:
    """Carry out the plan. Never raises for what a change meets; the report says it."""
    outcomes: list[Outcome] = []
    stopped = ""
    changes = run.planned.plan.changes
    try:
        _prepare(run)
    except ClusterError as error:
        stopped = _words(error)
    halted = bool(stopped)
    for change in changes:
        halted = halted or run.stop()
        if change.action is Action.NOOP:
            outcome = _outcome(change, Status.NOOP)
        elif halted:
            outcome = _outcome(change, Status.NOT_REACHED)
        else:
            run.starting(change)
            outcome = _carry_out(change, run)
            halted = outcome.status is not Status.DONE
        outcomes.append(outcome)
        if outcome.status is not Status.NOOP:
            run.tell(outcome)
    plan = run.planned.plan
    return Report(
        project=plan.project,
        environment=plan.environment,
        url=plan.server.url,
        plan_digest=str(plan.document()["digest"]),
        outcomes=tuple(outcomes),
        interrupted=run.stop(),
        stopped=stopped,
    )


def _prepare(run: Run) -> None:
    """Create the ledger where there is none; another apply may have been first."""
    for step in run.planned.plan.prepare:
        try:
            run.door.ask(step.call)
        except ClusterError as error:
            if error.status != CONFLICT and not ledger.read(run.door).exists:
                raise
    if run.planned.plan.prepare and not ledger.read(run.door).cluster_id:
        ledger.identify(run.door, str(uuid4()))


def _carry_out(change: Change, run: Run) -> Outcome:
    """Record what is meant, do it, read it back, record what is there."""
    started = time.monotonic()
    address = change.where
    before = run.planned.worlds.payload(address)
    missed: tuple[str, ...] = ()
    try:
        if change.steps:
            _still_empty(change, run)
            before = pending(change, before, run.planned.settings.owner)
            ledger.write(run.door, [before])
        error, interrupted = _steps(change, run)
        live, missed = _read_back(change, run)
        settled = not missed and not interrupted and not _index_unsure(error, change)
        if settled:
            ledger.write(run.door, [applied(change, before, live, run.identity, _now())])
    except ClusterError as failure:
        return _outcome(change, Status.FAILED, _words(failure), seconds=_since(started))
    seconds = _since(started)
    if settled:
        return _outcome(change, Status.DONE, seconds=seconds)
    if interrupted:
        return _outcome(change, Status.FAILED, error, missed, seconds)
    status = Status.FAILED if error else Status.NOT_TAKEN
    return _outcome(change, status, error, missed, seconds)


def _steps(change: Change, run: Run) -> tuple[str, bool]:
    """Send the steps. The error of the one that failed, and whether somebody asked to stop."""
    for number, step in enumerate(change.steps):
        if number and run.stop():
            return f"interrupted after {number} of {len(change.steps)} steps", True
        try:
            run.door.ask(step.call)
        except ClusterError as failure:
            error = f"{step.call.method} {step.call.path}: {_words(failure)}"
            if failure.maybe_applied:
                error += " It may have taken effect, even later."
            return error, False
    return "", False


def _index_unsure(error: str, change: Change) -> bool:
    """A failed request for an index may be carried out later, unseen until then."""
    return bool(error) and any("/index" in step.call.path for step in change.steps)


def _still_empty(change: Change, run: Run) -> None:
    """Points that came since the plan was made are not destroyed by it."""
    planned = run.planned.worlds.live.get(change.where)
    if not change.destroys or planned is None or planned.facts.points is None:
        return
    only = frozenset({change.where})
    asked = Asked(run.planned.desired.inventory, Inventory(), details=only, only=only)
    now = observe(run.door, asked).get(change.where)
    if now and now.facts.points and not planned.facts.points:
        raise ClusterError(
            f"{change.address} was empty when it was planned and points came since: "
            f"{now.facts.points} of them",
            hint="Plan again.",
        )


def _read_back(change: Change, run: Run) -> tuple[Resource | None, tuple[str, ...]]:
    """The resource as it is now, and what was asked and is not there.

    Nodes of a cluster may answer from before the change for a moment, so it is asked again.
    """
    until = time.monotonic() + SETTLED
    while True:
        live = _observed(change.where, run)
        missed = _missed(change, live, run)
        if not missed or time.monotonic() > until:
            return live, missed
        time.sleep(0.05)


def _observed(address: Address, run: Run) -> Resource | None:
    desired, remembered = run.planned.desired.inventory, run.planned.worlds.remembered
    only = frozenset({address})
    return observe(run.door, Asked(desired, remembered, only=only)).get(address)


def _missed(change: Change, live: Resource | None, run: Run) -> tuple[str, ...]:
    """What a plan made now would still want."""
    address = change.where
    if change.action is Action.DELETE:
        return (f"{change.address} is still there",) if live else ()
    if change.action is Action.FORGET:
        return ()
    if live is None:
        return (f"{change.address} is not there",)
    desired = run.planned.desired.inventory[address]
    kind = BY_NAME[address.kind]
    recorded = run.planned.worlds.remembered.get(address)
    ours: Mapping[str, Json] = recorded.spec if recorded else {}
    lens = Lens(
        server=run.door.server,
        exclusive=frozenset(desired.lifecycle.exclusive),
        ignored=frozenset(entry.path for entry in desired.lifecycle.ignore),
    )
    wanted = kind.imply(desired.spec, live.spec, ours)
    left = diff(shape_of(kind.spec), wanted, live.spec, ours, lens)
    return tuple(_shortfall(field) for field in left if field.effect > Effect.KEPT)


def _shortfall(field: FieldChange) -> str:
    asked = "nothing" if field.desired is ABSENT else canonical(field.desired)
    shown = "nothing" if field.live is ABSENT else canonical(field.live)
    return f"{'.'.join(str(word) for word in field.path)} (asked {asked}, shows {shown})"


def _outcome(
    change: Change,
    status: Status,
    error: str = "",
    missed: tuple[str, ...] = (),
    seconds: float = 0.0,
) -> Outcome:
    return Outcome(
        address=change.address,
        action=change.action,
        status=status,
        error=error,
        missed=missed,
        seconds=seconds,
    )


def _words(error: ClusterError) -> str:
    return ". ".join(word.rstrip(".") for word in (error.what, error.why, error.hint) if word) + "."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def wait_green(
    door: Door,
    addresses: list[Address],
    told: Callable[[Address, str, int, int], None],
    stop: Callable[[], bool],
) -> dict[Address, str]:
    """Wait until re-indexing has ended. The last status of those that did not become green.

    `told` gets address, status, indexed vectors and points. A grey collection waits for its next
    write, so waiting for it would never end.
    """
    left: dict[Address, str] = {}
    for address in addresses:
        while not stop():
            path = collection_path(address.name)
            info = door.ask(Call(method="GET", path=path))
            status = str(info["status"])
            told(address, status, info.get("indexed_vectors_count") or 0, info["points_count"] or 0)
            if status != "yellow":
                break
            time.sleep(0.2)
        else:
            status = "yellow"
        if status != "green":
            left[address] = status
    return left
