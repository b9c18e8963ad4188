"""Safety rules: one function each. They block apply, never the plan itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qdrantctl.engine.planning.drift_policy import outside
from qdrantctl.engine.planning.safety_snapshot import destroys_points, held, nodes_missing, skipped
from qdrantctl.engine.safety.context import Scene, from_state
from qdrantctl.engine.safety.gates import drift_kept, drift_refused, given_more
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import Resource
from qdrantctl.model.violation import Severity, Violation

MANY = 10
"""From this many managed resources on, a mass deletion is told by its share."""
SHARE = 0.3


def guard(scene: Scene) -> tuple[Violation, ...]:
    """Every safety rule that the changes break, in the order of the rules."""
    return tuple(violation for rule in RULES for violation in rule(scene))


def uncertain(scene: Scene) -> frozenset[Address]:
    """Resources whose points must be read before the rules can speak."""
    found: set[Address] = set()
    lost: set[Address] = set()
    for change in scene.changes:
        kind = scene.kinds[change.where.kind]
        if kind.holds_data and (change.destroys or any(f.loses for f in change.fields)):
            lost.add(change.where)
        if moved := _moved(change, scene):
            found.update(moved)
    live, several = scene.context.live, scene.context.server.peers > 1
    facts = {address: live[address].facts for address in found | lost if address in live}
    return frozenset(
        address
        for address, known in facts.items()
        if (known.points is None and not known.unread)
        or (several and address in lost and not known.peers)
    )


def _protect(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        stated = scene.context.desired.get(change.where) or scene.context.recorded.get(change.where)
        if change.destroys and stated and stated.lifecycle.protect:
            yield Violation(
                rule="QC201",
                address=change.address,
                message=f"{change.address} has lifecycle.protect set, and this plan would "
                f"{change.action} it",
                hint="Apply a manifest with protect: false first, or leave it out with "
                f"--exclude {change.address}.",
            )


def _delete(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        if change.action is not Action.DELETE or scene.consents("delete", change.where):
            continue
        kind = scene.kinds[change.where.kind]
        live = scene.context.live.get(change.where)
        doubtful = from_state(change, scene)
        if scene.protected or doubtful or (kind.holds_data and _may_hold_points(live)):
            yield Violation(
                rule="QC202",
                address=change.address,
                message=f"deleting {change.address} destroys {_points(live)}"
                if kind.holds_data
                else f"deleting {change.address} needs consent "
                + ("in a protected environment" if scene.protected else "without a ledger"),
                hint=_consent(scene, "delete", change.address),
            )


def _replace(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        if change.action is not Action.REPLACE or scene.consents("replace", change.where):
            continue
        live = scene.context.live.get(change.where)
        desired = scene.context.desired.get(change.where)
        recreate = desired is not None and desired.lifecycle.replace == "recreate"
        if recreate and not scene.protected and not _may_hold_points(live):
            continue
        yield Violation(
            rule="QC203",
            address=change.address,
            message=f"replacing {change.address} destroys {_points(live)}",
            hint=_consent(scene, "replace", change.address)
            + " Or state lifecycle: {replace: recreate}, which allows it while it is empty.",
        )


def _adopt(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        differs = change.action is Action.REPLACE or (
            change.action is Action.ADOPT and change.steps
        )
        foreign = change.where not in scene.context.recorded
        doubtful = from_state(change, scene) and any(map(outside, change.fields))
        if ((differs and foreign) or doubtful) and not scene.consents("adopt", change.where):
            yield Violation(
                rule="QC204",
                address=change.address,
                message=f"{change.address} exists, "
                + (
                    "was not made by this project, and differs"
                    if foreign
                    else "differs from the committed state, and no ledger says whose it is"
                ),
                hint=_consent(scene, "adopt", change.address)
                + " Or make the manifest say what the cluster has.",
            )


def _aliases_left(scene: Scene) -> Iterator[Violation]:
    leaving = {c.where for c in scene.changes if c.action is Action.DELETE}
    moving = {c.where for c in scene.changes if c.action in (Action.UPDATE, Action.ADOPT)}
    left = [
        (ref, other)
        for other, resource in scene.context.live.items()
        if leaving and other not in leaving and other not in moving and other.kind in scene.kinds
        for ref in scene.kinds[other.kind].refs(resource.spec)
        if ref in leaving
    ]
    for address, other in sorted(left):
        yield Violation(
            rule="QC205",
            address=str(address),
            message=f"{other} points to {address} and is not part of this plan; "
            "it would vanish with it",
            hint=f"Move or delete {other} first.",
        )


def _alias_moved(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        moved = _moved(change, scene)
        if not moved or scene.consents("alias", change.where):
            continue
        old, new = (scene.context.live.get(address) for address in moved)
        if old is None or not _may_hold_points(old):
            continue
        replaced = any(c.where == moved[1] and c.destroys for c in scene.changes)
        empty = new is None or replaced or not _may_hold_points(new)
        if empty or (new is not None and new.facts.status != "green"):
            state = "empty" if empty or new is None else new.facts.status or "not to be read"
            yield Violation(
                rule="QC206",
                address=change.address,
                message=f"{change.address} would move from {moved[0]} with {_points(old)} to "
                f"{moved[1]}, which is {state}",
                hint=_consent(scene, "alias", change.address),
            )


def _moved(change: Change, scene: Scene) -> tuple[Address, Address] | None:
    """What a change stops referring to, and what it refers to instead."""
    kind = scene.kinds[change.where.kind]
    desired = scene.context.desired.get(change.where)
    live = scene.context.live.get(change.where)
    if change.action not in (Action.UPDATE, Action.ADOPT) or not desired or not live:
        return None
    old, new = tuple(kind.refs(live.spec)), tuple(kind.refs(desired.spec))
    return (old[0], new[0]) if old and new and old != new else None


def _many(scene: Scene) -> Iterator[Violation]:
    deleted = sum(change.action is Action.DELETE for change in scene.changes)
    managed = len(scene.context.recorded)
    if not deleted or scene.partial or (scene.max_deletes or 0) >= deleted:
        return
    empty = not scene.context.desired
    if empty or (managed >= MANY and deleted > SHARE * managed):
        why = "no manifest states anything" if empty else f"{deleted} of {managed} resources"
        yield Violation(
            rule="QC207",
            message=f"this plan deletes {deleted} managed resource{'s' * (deleted > 1)} ({why})",
            hint=f"If that is meant, say so: --max-deletes {deleted}.",
        )


def _keys_lost(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        if change.destroys or scene.consents("delete", change.where):
            continue
        live = scene.context.live.get(change.where)
        for lost in (field for field in change.fields if field.loses):
            points = held(live, lost)
            if points == 0:
                continue
            yield Violation(
                rule="QC208",
                address=change.address,
                message=f"dropping {lost.path[0]} {lost.path[-1]!r} destroys what is stored "
                f"under it (points: {'not known from this node' if points is None else points})",
                hint=_consent(scene, "delete", change.address),
            )


def _indexes_dropped(scene: Scene) -> Iterator[Violation]:
    if not scene.protected:
        return
    for change in scene.changes:
        if change.destroys or scene.consents("delete", change.where):
            continue
        for field in change.fields:
            gone = len(field.path) == 2 and field.desired is ABSENT
            if gone and field.path[0] == "payload_indexes" and field.effect > Effect.KEPT:
                yield Violation(
                    rule="QC209",
                    address=change.address,
                    message=f"dropping the payload index {field.path[1]!r} needs consent in a "
                    "protected environment",
                    hint=_consent(scene, "delete", change.address),
                )


def _no_snapshot(scene: Scene) -> Iterator[Violation]:
    several = scene.context.server.peers > 1
    for change in scene.changes:
        live = scene.context.live.get(change.where)
        if live is None or not destroys_points(change, live, scene.kinds[change.where.kind]):
            continue
        if scene.no_snapshot(change.where):
            yield skipped(change)
        elif several:
            missing = nodes_missing(change, live, scene.nodes, protected=scene.protected)
            yield from [missing] if missing else []


def _aliases_again(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        live = scene.context.live.get(change.where)
        if change.action is Action.REPLACE and live and live.facts.aliases:
            yield Violation(
                rule="QC211",
                severity=Severity.NOTE,
                address=change.address,
                message="it is made again with its aliases: " + ", ".join(live.facts.aliases),
            )


def _checks(scene: Scene) -> Iterator[Violation]:
    for change in scene.changes:
        yield from scene.kinds[change.where.kind].check(change, scene.context)


RULES: tuple[Callable[[Scene], Iterator[Violation]], ...] = (
    _protect,
    _delete,
    _replace,
    _adopt,
    _aliases_left,
    _alias_moved,
    _many,
    _keys_lost,
    _indexes_dropped,
    _no_snapshot,
    _aliases_again,
    drift_refused,
    drift_kept,
    given_more,
    _checks,
)


def _may_hold_points(live: Resource | None) -> bool:
    """Unknown counts as holding."""
    return live is not None and live.facts.points != 0


def _points(live: Resource | None) -> str:
    points = live.facts.points if live else None
    if points is None:
        return "its points (how many is not known)"
    if points == 0:
        return "the collection, which is empty"
    return "1 point" if points == 1 else f"{points:,} points"


def _consent(scene: Scene, verb: str, address: str) -> str:
    """How to consent."""
    entry = f"{{{verb}: {address}, until: YYYY-MM-DD, reason: …}}"
    if scene.protected:
        return f"The environment is protected: add to consents in qdrantctl.yaml {entry}."
    flag = "--adopt" if verb == "adopt" else f"--allow-{verb}"
    return f"Allow it with {flag} {address}, or under consents in qdrantctl.yaml: {entry}."
