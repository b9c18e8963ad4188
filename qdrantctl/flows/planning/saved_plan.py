"""The flow of `apply PLANFILE`: a plan made earlier, held against the worlds of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.engine.planning.drift_policy import left
from qdrantctl.engine.safety.rules import needs_details
from qdrantctl.flows.planning.plan import Planned, Wishes, think
from qdrantctl.flows.state.committed import before
from qdrantctl.flows.state.desired import Desired
from qdrantctl.flows.state.ledger_fallback import recalled
from qdrantctl.flows.state.live import Progress, Worlds, detailed, worlds
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.client import Door
from qdrantctl.model.consent import VERBS, Consent
from qdrantctl.model.errors import StaleError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.plan import Plan
from qdrantctl.model.resource import Inventory, Lifecycle, Resource, canonical

_IDLE = (Action.NOOP, Action.REFUSED)
_MOST = 20
"""Differences that are told."""


@dataclass(frozen=True, slots=True)
class Now:
    """The same changes, planned once more on what is there now."""

    changes: Mapping[str, Change]
    found: Worlds


def revive(saved: Plan, settings: Settings, door: Door, today: date, progress: Progress) -> Planned:
    """A saved plan with the worlds of now, when it still fits them.

    Raises StaleError naming every live or recorded value that moved under what it touches.
    """
    if saved.owner != settings.owner:
        raise StaleError(
            f"the plan was made for {saved.owner}, this is {settings.owner}", hint="Plan again."
        )
    known = before(settings)
    wanted = Desired(Inventory(_desired(saved)), (), versions=_versions(saved), committed=known)
    progress(f"asking {door.server.url}")
    found = worlds(door, wanted.inventory, progress, settings.owners)
    found = recalled(settings, door, wanted, found)
    _same_cluster(saved, found, door)
    now = _again(saved, settings, wanted, found, door, today)
    touching = [change for change in saved.changes if change.action not in _IDLE]
    moved = [line for change in touching for line in _moved(change, now, saved)]
    if moved:
        more = f"\n  and {len(moved) - _MOST} more" if len(moved) > _MOST else ""
        raise StaleError(
            "the saved plan no longer fits; nothing was done",
            why="\n  ".join(moved[:_MOST]) + more,
            hint="Plan again, and look at what it says now.",
        )
    changes = tuple(_marked(change, now.changes.get(change.address)) for change in saved.changes)
    plan = saved.model_copy(update={"changes": changes})
    return Planned(plan, now.found, wanted, settings, today)


def _desired(saved: Plan) -> Iterator[Resource]:
    """What the plan asks, as its records will hold it."""
    for change in saved.changes:
        if change.record is not ABSENT:
            record: Mapping[str, Json] = dict(change.record)  # type: ignore[arg-type]
            lifecycle = Lifecycle.parse(record["lifecycle"])
            yield Resource(change.where, record["spec"], lifecycle=lifecycle)


def _versions(saved: Plan) -> dict[Address, int]:
    """The versions that the plan's records will hold."""
    return {
        change.where: change.record["schema_version"]
        for change in saved.changes
        if isinstance(change.record, Mapping)
    }


def _same_cluster(saved: Plan, found: Worlds, door: Door) -> None:
    planned = saved.server
    if planned.cluster_id is ABSENT:
        other = planned.url != door.server.url
    else:
        other = planned.cluster_id != found.memory.cluster_id
    if other:
        raise StaleError(
            f"the plan was made for another cluster than {door.server.url}",
            why=f"It was made for {planned.url}, and the cluster's identity differs.",
            hint="Plan again.",
        )


def _again(
    saved: Plan, settings: Settings, wanted: Desired, found: Worlds, door: Door, today: date
) -> Now:
    """Plan once more, but only what the saved plan touches; consent was given when it was made."""
    touched = {change.where for change in saved.changes if change.action not in _IDLE}
    forgotten = {c.where for c in saved.changes if c.action is Action.FORGET}
    known = Inventory(r for address, r in found.remembered.items() if address in touched)
    only = replace(found, remembered=known)
    whole = replace(settings, partial=False, removed=frozenset(forgotten), consents=_ALL)
    wishes = Wishes(
        revert_drift=tuple(_reverting(saved)), no_snapshot=tuple(_without_snapshot(saved))
    )
    changes, inputs = think(whole, wishes, wanted, only, door.server, today)
    if more := needs_details(inputs):
        only = detailed(door, only, wanted.inventory, more)
        changes, inputs = think(whole, wishes, wanted, only, door.server, today)
    return Now({change.address: change for change in changes}, replace(found, live=only.live))


def _reverting(saved: Plan) -> Iterator[str]:
    """Where the plan leaves nothing as somebody changed it, whatever on_drift says."""
    for change in saved.changes:
        if not any(map(left, change.fields)):
            yield change.address


def _without_snapshot(saved: Plan) -> Iterator[str]:
    """Where somebody went without a snapshot when it was made."""
    for violation in saved.violations:
        if violation.rule == "QC210":
            yield str(violation.address)


_ALL = tuple(Consent(verb, "*", "the saved plan") for verb in VERBS)


def _moved(change: Change, now: Now, saved: Plan) -> Iterator[str]:
    """What is not as it was when the change was planned."""
    address, again = change.address, now.changes.get(change.address)
    if again is None or again.action is not change.action:
        is_now = again.action if again else "nothing to do"
        yield f"{address}: planned was {change.action}, now it is {is_now}"
    if again is None:
        return
    if again.uuid != change.uuid:
        yield f"{address}: it was deleted and made again since"
    if again.schema_version.recorded != change.schema_version.recorded:
        yield f"{address}: another apply has recorded it since"
    told = len(list(_fields(change, again)))
    yield from _fields(change, again)
    differs = again.steps != change.steps or _record(again) != _record(change)
    if differs and not told and again.action is change.action:
        yield f"{address}: its steps would be others now"
    live = now.found.live.get(change.where)
    expected = any(step.snapshot is not ABSENT for step in change.steps)
    expected = expected or address in _without_snapshot(saved)
    if change.destroys and live and live.facts.points and not expected:
        yield f"{address}: points came since: {live.facts.points} of them"


def _fields(change: Change, again: Change) -> Iterator[str]:
    """Fields whose live or recorded side moved."""
    before = {field.path: field for field in change.fields}
    after = {field.path: field for field in again.fields}
    for path in [*before, *(path for path in after if path not in before)]:
        one, other = before.get(path), after.get(path)
        name = f"{change.address} {'.'.join(str(word) for word in path if word != '')}"
        if one is None or other is None:
            field = one or other
            assert field is not None
            yield f"{name}: {'no longer differs' if one else f'differs now ({_shown(field.live)})'}"
            continue
        for side in ("live", "recorded"):
            was, is_now = getattr(one, side), getattr(other, side)
            if _shown(was) != _shown(is_now):
                yield f"{name}: {side} was {_shown(was)}, is now {_shown(is_now)}"


def _shown(value: Json) -> str:
    return "absent" if value is ABSENT else canonical(value)


def _record(change: Change) -> str:
    return "" if change.record is ABSENT else canonical(dict(change.record))  # type: ignore[arg-type]


def _marked(change: Change, again: Change | None) -> Change:
    """The saved change, with what its JSON does not tell: which fields destroy stored points."""
    losing = {field.path for field in again.fields if field.loses} if again else set()

    def mark(field: FieldChange) -> FieldChange:
        return field.model_copy(update={"loses": field.path in losing})

    return change.model_copy(update={"fields": tuple(map(mark, change.fields))})
