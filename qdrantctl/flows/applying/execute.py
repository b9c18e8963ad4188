"""Carrying out a plan: its steps and no others, each resource read back before it is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.engine.planning.compare import compare
from qdrantctl.engine.planning.safety_snapshot import held
from qdrantctl.flows.cluster.nodes import Work
from qdrantctl.flows.planning.plan import Planned
from qdrantctl.flows.snapshots.take import take
from qdrantctl.flows.state.ledger_entry import applied, first, pending
from qdrantctl.flows.state.live import observe
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.actor import Identity
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.client import Asked, NodeDoor
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.resource import Inventory, Resource, canonical
from qdrantctl.model.snapshots.snapshot import Taken, way_back
from qdrantctl.model.step import Call, Snapshot, calls

SETTLED = 2.0
"""Seconds within which every node of a cluster shows a change that it has answered ok to."""
INDEX_BUILT = 600.0
"""Seconds that an index may take whose request was cut: the server goes on building it."""
CONFLICT = 409
_BY_RECORD = (Action.CREATE, Action.UPDATE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Run:
    """One apply: what it carries out, for whom, and whom it tells."""

    planned: Planned
    door: NodeDoor
    identity: Identity
    tell: Callable[[Outcome], None]
    say: Callable[[str], None]
    """Told what is being done, in a few words."""
    stop: Callable[[], bool]
    """Whether somebody asked to stop; looked at between two requests."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Why the steps of a change were not all sent, or not all answered well."""

    words: str
    cut: bool = False
    """An index is perhaps being built; nobody knows before it shows."""


def execute(run: Run) -> Report:
    """Carry out the plan. The report says what each change met.

    Raises ClusterError where not even the ledger can be made; no resource was touched then.
    """
    outcomes: list[Outcome] = []
    _prepare(run)
    halted = False
    for change in run.planned.plan.changes:
        halted = halted or run.stop()
        if change.action is Action.NOOP:
            outcome = _outcome(change, Status.NOOP)
        elif halted:
            outcome = _outcome(change, Status.NOT_REACHED)
        else:
            run.say(f"{change.address}: {change.action}")
            outcome = _carry_out(change, run)
            halted = outcome.status is not Status.DONE
        outcomes.append(outcome)
        if outcome.status is not Status.NOOP:
            run.tell(outcome)
    return Report.of(run.planned.plan, outcomes, interrupted=run.stop())


def _prepare(run: Run) -> None:
    """Create the ledger where there is none; another apply may have been first."""
    for call in calls(run.planned.plan.prepare):
        try:
            run.door.ask(call)
        except ClusterError as error:
            if error.status != CONFLICT and not ledger.read(run.door).exists:
                raise
    changing = run.planned.plan.summary.changes and not run.planned.worlds.memory.cluster_id
    if changing and not ledger.read(run.door).cluster_id:
        ledger.identify(run.door, str(uuid4()))


def _carry_out(change: Change, run: Run) -> Outcome:
    """Record what is meant, do it, read it back, record what is there."""
    started = time.monotonic()
    before = run.planned.worlds.payload(change.where) or first(change, _owner(run))
    taken: Taken | None = None
    try:
        if change.steps:
            _as_planned(change, run)
            taken = _snapshot(change, run)
            live = run.planned.worlds.live.get(change.where)
            before = pending(change, before, live, _owner(run), taken)
            ledger.write(run.door, [before])
        halt = _steps(change, run)
        live, missed = _read_back(change, run, halt)
        # A step may do what the resource does not show, such as putting aliases back.
        settled = not missed and not halt
        if settled:
            entry = applied(change, before, live, run.door.server, run.identity, _now())
            ledger.write(run.door, [entry])
    except QdrantctlError as failure:
        halt, missed, settled = Halt(failure.line), (), False
    back = way_back(change.where, taken.id, run.planned.plan.environment) if taken else ""
    status = Status.DONE if settled else Status.FAILED if halt else Status.NOT_TAKEN
    words = "" if settled or not halt else halt.words
    left = () if settled else missed
    return _outcome(change, status, words, left, _since(started), back)


def _snapshot(change: Change, run: Run) -> Taken | None:
    """Take the snapshot that the change begins with, where it does. Raises QdrantctlError.

    What came while it was written is looked for once more.
    """
    live = run.planned.worlds.live.get(change.where)
    for step in change.steps:
        if isinstance(step.snapshot, Snapshot) and live:
            try:
                taken = take(step.snapshot, live, Work(run.door, run.say, run.stop))
                _as_planned(change, run)
            except QdrantctlError as failure:
                failure.hint = f"{failure.hint} Nothing of it was destroyed.".strip()
                raise
            return taken
    return None


def _steps(change: Change, run: Run) -> Halt | None:
    """Send the requests, up to the first that fails."""
    requests = calls(change.steps)
    for number, call in enumerate(requests):
        if number and run.stop():
            words = f"interrupted after {number} of {len(requests)} steps"
            return Halt(words)
        try:
            _ask(call, run)
        except ClusterError as failure:
            words = f"{call.method} {call.path}: {failure.line}"
            if failure.maybe_applied:
                words += " It may have taken effect, even later."
            return Halt(words, cut=_unanswered(failure) and _is_index(call))
    return None


def _ask(call: Call, run: Run) -> None:
    """Send a request; where no answer came and twice is the same as once, again.

    Whether the server builds an index is not to be seen before it is there: a second request for
    it is answered once the first is done. Where that fails, too, the first failure is told. Raises
    ClusterError.
    """
    try:
        run.door.ask(call)
    except ClusterError as failure:
        if not (_unanswered(failure) and _repeatable(call)) or run.stop():
            raise
        with suppress(ClusterError):
            run.door.ask(call)
            return
        raise


def _unanswered(failure: ClusterError) -> bool:
    return failure.maybe_applied and not failure.status


def _repeatable(call: Call) -> bool:
    """Whether sending it twice comes to the same as once, whoever did what between."""
    return call.method == "PATCH" or _is_index(call) or call.path == "/collections/aliases"


def _is_index(call: Call) -> bool:
    return "/index" in call.path


def _as_planned(change: Change, run: Run) -> None:
    """What came since the plan was made is not destroyed by it. Raises ClusterError."""
    planned = run.planned.worlds.live.get(change.where)
    losing = [field for field in change.fields if field.destroys_data]
    if planned is None or not (change.destroys or losing):
        return
    only = frozenset({change.where})
    owners = run.planned.worlds.owners
    asked = Asked(
        run.planned.desired.inventory, Inventory(), details=only, only=only, owners=owners
    )
    now = observe(run.door, asked).get(change.where)
    if now is None:
        return
    if now.facts.uuid != planned.facts.uuid:
        came = "it was deleted and made again since"
    elif now.facts.points and planned.facts.points == 0 and change.destroys:
        came = f"points came since: {now.facts.points} of them"
    elif keys := [field for field in losing if held(planned, field) == 0 != held(now, field)]:
        came = f"points came since, under {keys[0].path[-1]!r}"
    else:
        return
    raise ClusterError(f"{change.address} is not what was planned: {came}", hint="Plan again.")


def _read_back(
    change: Change, run: Run, halt: Halt | None
) -> tuple[Resource | None, tuple[str, ...]]:
    """The resource as it is now, and what was asked and is not there.

    Nodes of a cluster may answer from before the change for a moment, so it is asked again.
    """
    if not change.steps and change.action in _BY_RECORD:
        # Nothing of it is on the server: what is recorded is all there is.
        return run.planned.desired.inventory.get(change.where), ()
    settled = time.monotonic() + SETTLED
    until = settled + (INDEX_BUILT if halt and halt.cut else 0.0)
    while True:
        live = _observed(change.where, run)
        missed = _missed(change, live, run)
        now = time.monotonic()
        if not missed or now > until or (now > settled and run.stop()):
            return live, missed
        time.sleep(0.05)


def _owner(run: Run) -> str:
    return run.planned.settings.owner


def _observed(address: Address, run: Run) -> Resource | None:
    desired, remembered = run.planned.desired.inventory, run.planned.worlds.remembered
    only = frozenset({address})
    owners = run.planned.worlds.owners
    asked = Asked(desired, remembered, details=only, only=only, owners=owners)
    return observe(run.door, asked).get(address)


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
    applied = run.planned.worlds.remembered.get(address)
    comparison = compare(
        desired, live, applied, BY_NAME[address.kind], run.door.server, run.planned.today
    )
    alone = {field.path for field in change.fields if field.effect is Effect.KEPT}
    short = (field for field in comparison.needed_changes if field.path not in alone)
    return tuple(_shortfall(field, live.facts.unread) for field in short)


def _shortfall(field: FieldChange, unread: Mapping[str, str]) -> str:
    asked = "nothing" if field.desired is ABSENT else canonical(field.desired)
    shown = "shows " + ("nothing" if field.live is ABSENT else canonical(field.live))
    shown = "cannot be read" if field.path[0] in unread else shown
    return f"{'.'.join(str(word) for word in field.path)} (asked {asked}, {shown})"


def _outcome(
    change: Change,
    status: Status,
    error: str = "",
    missed: tuple[str, ...] = (),
    seconds: float = 0.0,
    back: str = "",
) -> Outcome:
    return Outcome(
        address=change.address,
        action=change.action,
        status=status,
        error=error,
        missed=missed,
        way_back=back,
        seconds=seconds,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
