"""Three worlds in, a list of changes out: the planner's table. Pure; every reading came before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from qdrantctl.engine.diff import Lens, created, diff
from qdrantctl.engine.planning.drift_policy import KEPT_AS_IT_IS, keep, left, outside, unrecorded
from qdrantctl.engine.planning.order import ordered
from qdrantctl.engine.planning.recorded_spec import ignored, stored_spec
from qdrantctl.engine.planning.safety_snapshot import destroys_points, first
from qdrantctl.engine.planning.selection import Selection, selected
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change, FieldChange, SchemaVersion
from qdrantctl.model.consent import Consent, is_allowed
from qdrantctl.model.field_rule import ABSENT, Effect, Json, same
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.paths import at, merged
from qdrantctl.model.resource import Inventory, Resource, canonical, digest
from qdrantctl.model.server import Server
from qdrantctl.model.spec import Path, Shape, shape_of
from qdrantctl.model.step import Step


@dataclass(frozen=True, slots=True)
class Question:
    """What the planner is asked."""

    owner: str
    server: Server
    today: date
    desired: Inventory
    live: Inventory
    remembered: Inventory
    """Every record of the ledger that is not of a deleted resource, whoever owns it."""
    previous_owners: frozenset[str] = frozenset()
    partial: bool = False
    """The desired world is only a part: nothing is deleted or forgotten."""
    removed: frozenset[Address] = frozenset()
    """Resources to stop managing."""
    versions: Mapping[Address, int] = field(default_factory=dict)
    """By the committed state. Where that says nothing, the record is counted on from."""
    selection: Selection = field(default_factory=Selection)
    consents: Sequence[Consent] = ()
    """One to delete tells a delete and a create from a rename."""
    on_drift: Callable[[Address], str] = field(default=lambda _: "revert")
    """revert, keep or refuse: what becomes of fields that moved on the cluster."""
    no_snapshot: Callable[[Address], bool] = field(default=lambda _: False)
    """Whether points are destroyed without a snapshot."""
    nodes: tuple[str, ...] = ()
    """Each node's own address, where stated."""

    @property
    def recorded(self) -> Inventory:
        """The records that are this owner's, under its present name or a previous one."""
        ours = {self.owner, *self.previous_owners}
        return Inventory(r for r in self.remembered.values() if r.record and r.record.owner in ours)


@dataclass(frozen=True, slots=True)
class Draft:
    """A change before its steps are known."""

    address: Address
    action: Action
    fields: tuple[FieldChange, ...] = ()
    because: str = ""
    unrecorded: frozenset[Path] = frozenset()
    """Where the record keeps its value."""


def plan_changes(question: Question, kinds: Mapping[str, Kind]) -> tuple[Change, ...]:
    """The changes of a plan in the order of their execution, steps and records included."""
    recorded = question.recorded
    drafts = {
        draft.address: draft
        for address in sorted({*question.desired, *recorded})
        if (draft := _draft(address, question, recorded, kinds[address.kind]))
    }
    drafts = _without_clashes(drafts, question, kinds)
    drafts = _without_renames(drafts, question, kinds)
    drafts = selected(drafts, question.selection, question.desired, question.live, kinds)
    context = Context(
        server=question.server,
        today=question.today,
        desired=question.desired,
        live=question.live,
        recorded=recorded,
        deleted=frozenset(d.address for d in drafts.values() if d.action is Action.DELETE),
        owner=question.owner,
    )
    actions = {address: draft.action for address, draft in drafts.items()}
    order = ordered(actions, question.desired, question.live, kinds)
    return tuple(_change(drafts[address], context, question, kinds) for address in order)


def unmanaged(question: Question) -> tuple[str, ...]:
    """Live resources that no manifest states and nobody recorded."""
    known = {*question.desired, *question.remembered}
    return tuple(str(address) for address in question.live if address not in known)


def _draft(address: Address, question: Question, recorded: Inventory, kind: Kind) -> Draft | None:
    """One row of the planner's table."""
    desired, live = question.desired.get(address), question.live.get(address)
    ours, known = recorded.get(address), question.remembered.get(address)
    if desired is None:
        if question.partial:
            return None
        if live is None:
            return Draft(address, Action.FORGET, because="gone from manifests and cluster")
        if address in question.removed:
            return Draft(address, Action.FORGET, because="named under removed; stays as it is")
        return Draft(address, Action.DELETE, because="no manifest states it")
    if known is not None and known.record and ours is None:
        return Draft(address, Action.REFUSED, because=_anothers(known.record.owner, question))
    if live is None:
        return _creation(desired, ours, question, kind)
    return _comparison(desired, live, ours, question, kind)


def _anothers(owner: str, question: Question) -> str:
    """Whose it is, and what can be done about it."""
    project, _, environment = owner.partition("/")
    old = f", or {project} under previous_names here if this project was called so"
    renamed = old if question.owner.partition("/")[2] == environment else ""
    return (
        f"owned by {owner}. Give it another name here; or, to take it over, name it under removed "
        f"there and apply that{renamed}"
    )


def _creation(desired: Resource, ours: Resource | None, question: Question, kind: Kind) -> Draft:
    lens = Lens(question.server, place=desired.place, new=True)
    fields = kind.weigh(created(shape_of(kind.spec), desired.spec, lens), desired, None, ours)
    if any(change.effect is Effect.REFUSED for change in fields):
        return Draft(desired.address, Action.REFUSED, _refused(fields), _because(fields))
    because = _interrupted(ours) or ("vanished outside qdrantctl" if ours else "")
    return Draft(desired.address, Action.CREATE, fields, because)


def _interrupted(ours: Resource | None) -> str:
    """Why something is still to be done, where an apply was interrupted; empty otherwise."""
    pending = ours is not None and ours.record is not None and ours.record.pending is not None
    return "an interrupted apply did not finish it" if pending else ""


def _comparison(
    desired: Resource, live: Resource, ours: Resource | None, question: Question, kind: Kind
) -> Draft:
    address = desired.address
    before = applied_by(ours)
    left_alone = ignored(desired, question.today)
    lens = Lens(
        server=question.server,
        exclusive=frozenset(desired.lifecycle.exclusive),
        ignored=left_alone,
        place=desired.place,
        new=ours is None,
    )
    wanted = kind.imply(desired.spec, live.spec, before)
    fields = diff(shape_of(kind.spec), wanted, live.spec, before, lens)
    fields = tuple(_unless_unread(change, live.facts.unread) for change in fields)
    if ours is not None and _interrupted(ours):
        applied = diff(shape_of(kind.spec), wanted, live.spec, ours.spec, lens)
        had = {change.path for change in applied if change.recorded is not ABSENT}
        fields = tuple(_own(c, ours) if c.path in had else _begun(c) for c in fields)
    elif question.on_drift(address) == "keep" and not (ours and ours.from_state):
        fields = _kept(shape_of(kind.spec), fields)
    fields = kind.weigh(fields, desired, live, ours)
    worst = _worst(fields)
    if worst is Effect.REFUSED:
        return Draft(address, Action.REFUSED, _refused(fields), _because(fields))
    if worst is Effect.REPLACE:
        return Draft(address, Action.REPLACE, fields, _because(fields))
    if ours is None:
        changed = worst > Effect.KEPT
        because = "exists already and differs" if changed else "exists already and is as stated"
        return Draft(address, Action.ADOPT, fields if changed else (), because)
    held = unrecorded(shape_of(kind.spec), fields)
    if worst > Effect.KEPT:
        return Draft(address, Action.UPDATE, fields, _interrupted(ours), held)
    if because := _stale_record(desired, live, ours, question, left_alone, held):
        dropped = tuple(change for change in fields if change.recorded is not ABSENT)
        return Draft(address, Action.ADOPT, dropped, because, held)
    drifted = tuple(change for change in fields if left(change))
    because = f"{_names(drifted)}: {KEPT_AS_IT_IS}" if drifted else ""
    return Draft(address, Action.NOOP, drifted, because)


def _kept(shape: Shape, fields: tuple[FieldChange, ...]) -> tuple[FieldChange, ...]:
    """With what moved on the cluster left alone. A new collection is made as it is stated."""
    kept = keep(shape, fields)
    return fields if _worst(kept) is Effect.REPLACE else kept


def _worst(fields: Sequence[FieldChange]) -> Effect:
    return max((change.effect for change in fields), default=Effect.SAME)


def _own(change: FieldChange, ours: Resource) -> FieldChange:
    """What an interrupted apply has set already was changed by nobody else."""
    pending = (ours.record.pending or {}).get("spec") if ours.record else None
    set_by_it = at(pending, change.path)
    if not outside(change) or set_by_it is ABSENT or not same(set_by_it, change.live):
        return change
    return change.model_copy(update={"cause": Cause.EDIT})


def _names(fields: Sequence[FieldChange]) -> str:
    return ", ".join(".".join(str(word) for word in change.path if word != "") for change in fields)


def _unless_unread(change: FieldChange, unread: Mapping[str, str]) -> FieldChange:
    """What could not be read is not changed."""
    cause = unread.get(str(change.path[0]))
    if cause is None or change.effect <= Effect.KEPT:
        return change
    because = f"not known while a node is down ({cause})"
    return change.model_copy(update={"effect": Effect.REFUSED, "because": because})


def _begun(change: FieldChange) -> FieldChange:
    """What only an interrupted apply was to add was never there: nobody else has moved it."""
    return change.model_copy(update={"recorded": ABSENT, "cause": Cause.EDIT})


def applied_by(ours: Resource | None) -> Mapping[str, Json]:
    """What is ours of a resource: its recorded spec, and what an open apply was setting."""
    if ours is None or ours.record is None:
        return {}
    pending = (ours.record.pending or {}).get("spec") or {}
    return merged(ours.spec, pending)


def _stale_record(
    desired: Resource,
    live: Resource,
    ours: Resource,
    question: Question,
    ignored: frozenset[Path],
    held: frozenset[Path],
) -> str:
    """Why the record must be rewritten though the cluster is as stated; empty when it need not."""
    assert ours.record is not None
    if ours.record.pending is not None:
        return "finishes an interrupted apply"
    if ours.record.owner != question.owner:
        return f"recorded by {ours.record.owner}, a previous name"
    if ours.record.uuid and live.facts.uuid and ours.record.uuid != live.facts.uuid:
        return "re-created outside qdrantctl"
    stored = stored_spec(desired, ours, ignored | held)
    lifecycle = desired.lifecycle.document()
    if not same(dict(stored), dict(ours.spec)) or lifecycle != ours.lifecycle.document():
        return "the cluster is as stated, the record is not"
    if ours.from_state:
        return "the ledger knows nothing of it, the committed state does"
    version = question.versions.get(desired.address, ours.record.schema_version)
    if version == ours.record.schema_version or held:
        return ""
    return f"the committed state is at version {version}, the record is not"


def _refused(fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    return tuple(change for change in fields if change.effect > Effect.KEPT)


def _because(fields: Sequence[FieldChange]) -> str:
    """The reason of the worst field."""
    worst = max(fields, key=lambda change: change.effect)
    return f"{_names([worst])}: {worst.because}"


def _without_clashes(
    drafts: Mapping[Address, Draft], question: Question, kinds: Mapping[str, Kind]
) -> dict[Address, Draft]:
    """Refuse creations whose name is taken by another kind that this plan does not delete."""
    found = dict(drafts)
    for address, draft in drafts.items():
        if draft.action is not Action.CREATE or not kinds[address.kind].namespace:
            continue
        for other in kinds.values():
            taken = Address(other.name, address.name)
            clashes = other.name != address.kind and taken in question.live
            leaves = taken in drafts and drafts[taken].action is Action.DELETE
            if clashes and not leaves and other.namespace == kinds[address.kind].namespace:
                because = f"the name is taken by {taken}, which this plan does not delete"
                found[address] = Draft(address, Action.REFUSED, (), because)
    return found


def _without_renames(
    drafts: Mapping[Address, Draft], question: Question, kinds: Mapping[str, Kind]
) -> dict[Address, Draft]:
    """A delete and a create with equal specs look like a rename, which would lose every point."""
    found = dict(drafts)
    leaving = {
        (old.kind, canonical(question.live[old].spec)): old
        for old, draft in drafts.items()
        if draft.action is Action.DELETE
        and kinds[old.kind].holds_data
        and not is_allowed(question.consents, "delete", old)
    }
    recorded = question.recorded
    for old in list(leaving.values()):
        leaving.setdefault((old.kind, canonical(recorded[old].spec)), old)
    for address, draft in drafts.items():
        if draft.action is not Action.CREATE:
            continue
        leaver = leaving.get((address.kind, canonical(question.desired[address].spec)))
        if leaver and found[leaver].action is Action.DELETE:
            because = (
                f"looks like a rename of {leaver}, and Qdrant cannot rename a collection. Keep the "
                f"name and give it an alias; or put {leaver} under removed to keep its points; or "
                f"allow the loss with --allow-delete {leaver}"
            )
            found[address] = Draft(address, Action.REFUSED, (), because)
            found[leaver] = Draft(leaver, Action.NOOP, because=f"see {address}")
    return found


def _change(
    draft: Draft, context: Context, question: Question, kinds: Mapping[str, Kind]
) -> Change:
    address = draft.address
    desired, live = question.desired.get(address), question.live.get(address)
    ours = context.recorded.get(address)
    before = ours.record if ours else None
    record = _record(draft, desired, ours, question)
    if record and kinds[address.kind].owned:
        record["address"] = str(address.of(question.owner))
    version: dict[str, Any] = {"recorded": before.schema_version} if before else {}
    if record:
        version["desired"] = record["schema_version"]
    optional: dict[str, Any] = {}
    if live and live.facts.uuid:
        optional["uuid"] = live.facts.uuid
    if desired and desired.origin:
        optional["origin"] = desired.origin
    if record and draft.action is not Action.NOOP:
        optional["record"] = record
    change = Change(
        address=str(address),
        action=draft.action,
        cause=_overall(draft, ours),
        because=draft.because,
        schema_version=SchemaVersion(**version),
        fields=() if draft.action is Action.NOOP else draft.fields,
        **optional,
    )
    if draft.action in (Action.NOOP, Action.REFUSED, Action.FORGET):
        return change
    kind = kinds[address.kind]
    steps = [Step(call=call) for call in kind.steps(change, context)]
    if destroys_points(change, live, kind) and not question.no_snapshot(address):
        steps.insert(0, first(change, question.nodes if question.server.peers > 1 else ()))
    return change.model_copy(update={"steps": tuple(steps)})


def _overall(draft: Draft, ours: Resource | None) -> Cause:
    """The cause of a change as a whole."""
    if ours is None:
        return Cause.NEW
    causes = {f.cause for f in draft.fields if f.effect > Effect.KEPT or left(f)}
    if draft.action is Action.CREATE or draft.because == "re-created outside qdrantctl":
        return Cause.DRIFT
    if len(causes) > 1:
        return Cause.BOTH
    return next(iter(causes), Cause.EDIT)


def _record(
    draft: Draft, desired: Resource | None, ours: Resource | None, question: Question
) -> dict[str, Json] | None:
    """What the ledger will hold of a resource that is desired."""
    if desired is None or draft.action is Action.REFUSED:
        return None
    left_alone = ignored(desired, question.today) | draft.unrecorded
    spec = stored_spec(desired, ours, left_alone)
    lifecycle = desired.lifecycle.document()
    mark = digest({"address": str(draft.address), "spec": spec, "lifecycle": lifecycle})
    version = question.versions.get(draft.address, 1)
    if ours and ours.record and draft.address not in question.versions:
        version = ours.record.schema_version + (mark != ours.record.digest)
    return {
        "owner": question.owner,
        "address": str(draft.address),
        "object": draft.address.name,
        "schema_version": version,
        "digest": mark,
        "spec": spec,
        "lifecycle": lifecycle,
    }
