"""Desired, live and last-applied state in, a list of changes out. Pure: nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qdrantctl.engine.planning.blue_green import retiring_steps
from qdrantctl.engine.planning.compare import compare_resource, fields_to_create
from qdrantctl.engine.planning.drift_policy import (
    KEPT_AS_IT_IS,
    is_kept_drift,
    keep_drift,
    unapplied_paths,
)
from qdrantctl.engine.planning.field_adjustments import credit_interrupted_apply, refuse_unreadable
from qdrantctl.engine.planning.inputs import DraftChange, PlanInput, RecordOrigin
from qdrantctl.engine.planning.ledger_record import RECREATED, new_record, reason_to_rewrite
from qdrantctl.engine.planning.name_conflicts import refuse_name_conflicts
from qdrantctl.engine.planning.order import order_changes
from qdrantctl.engine.planning.replacement import fields_of_replacement
from qdrantctl.engine.planning.resumption import (
    complete_replacement,
    draft_resumption,
    needs_replacement,
    reason_against_replacement,
    refuse_while_kept,
    with_retirement,
)
from qdrantctl.engine.planning.safety_snapshot import destroys_points, snapshot_step
from qdrantctl.engine.planning.selection import select_drafts
from qdrantctl.model.address import Address
from qdrantctl.model.change import (
    NOT_MANAGED,
    RETIRES,
    Action,
    Cause,
    Change,
    FieldChange,
    SchemaVersion,
    worst_effect,
)
from qdrantctl.model.consent import is_allowed
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Resource, canonical_json
from qdrantctl.model.spec import Path, field_tree_of
from qdrantctl.model.step import Step


def plan_changes(plan_input: PlanInput, kinds: Mapping[str, Kind]) -> tuple[Change, ...]:
    """The changes of a plan in the order of their execution, steps and records included."""
    recorded = plan_input.recorded
    drafts = {
        address: draft
        for address in sorted(plan_input.destroy or {*plan_input.desired, *recorded})
        if (draft := plan_resource(address, recorded.get(address), plan_input, kinds[address.kind]))
    }
    drafts = {a: with_retirement(draft, plan_input) for a, draft in drafts.items()}
    drafts = refuse_while_kept(drafts, plan_input)
    drafts = refuse_name_conflicts(drafts, plan_input, kinds)
    drafts = _without_renames(drafts, plan_input, kinds)
    drafts = select_drafts(drafts, plan_input.selection, plan_input.desired, plan_input.live, kinds)
    context = Context(
        server=plan_input.server,
        today=plan_input.today,
        desired=plan_input.desired,
        live=plan_input.live,
        recorded=recorded,
        deleted=frozenset(d.address for d in drafts.values() if d.action is Action.DELETE),
        owner=plan_input.owner,
        names=plan_input.names,
    )
    actions = {address: draft.action for address, draft in drafts.items()}
    order = order_changes(actions, plan_input.desired, plan_input.live, kinds)
    return tuple(_build_change(drafts[address], context, plan_input, kinds) for address in order)


def unmanaged_addresses(plan_input: PlanInput) -> tuple[str, ...]:
    """Live resources that no manifest declares and no ledger entry names."""
    named = {*plan_input.desired, *plan_input.remembered}
    return tuple(str(address) for address in plan_input.live if address not in named)


def plan_resource(
    address: Address, applied: Resource | None, plan_input: PlanInput, kind: Kind
) -> DraftChange | None:
    """The change of one resource, or None; `applied` is this owner's record of it.

    | desired | live | recorded         | change                                    |
    |---------|------|------------------|-------------------------------------------|
    | no      | any  | by this owner    | none if the desired state is partial,     |
    |         |      |                  | unless it is destroyed by name            |
    | no      | no   | by this owner    | forget                                    |
    | no      | yes  | by this owner    | forget if listed under removed, or delete |
    | yes     | any  | by another owner | refused                                   |
    | yes     | no   | any              | create, or refused                        |
    | yes     | yes  | any              | see `decide_change`                       |

    A replacement without downtime that is under way goes before all of these.
    """
    desired, live = plan_input.desired.get(address), plan_input.live.get(address)
    entry = plan_input.remembered.get(address)
    if (record := plan_input.replacements.get(address)) and not record.is_kept:
        return draft_resumption(record, desired, live, applied, kind, plan_input)
    if desired is None:
        stays = plan_input.partial and address not in plan_input.destroy
        return None if stays else _plan_removal(address, plan_input)
    if entry is not None and entry.record and applied is None:
        because = describe_other_owner(entry.record.owner, plan_input)
        return DraftChange(address, Action.REFUSED, because=because)
    if live is None:
        return _plan_creation(desired, applied, plan_input, kind)
    return plan_existing(desired, live, applied, kind, plan_input)


def _plan_removal(address: Address, plan_input: PlanInput) -> DraftChange:
    if address not in plan_input.live:
        gone = "the cluster" if address in plan_input.destroy else "manifests and cluster"
        return DraftChange(address, Action.FORGET, because=f"gone from {gone}")
    if address in plan_input.removed:
        because = "listed under removed; it is not changed"
        return DraftChange(address, Action.FORGET, because=because)
    because = plan_input.destroy.get(address, "no manifest states it")
    return DraftChange(address, Action.DELETE, because=because)


def describe_other_owner(owner: str, plan_input: PlanInput) -> str:
    """Who owns the resource, and what the operator can do about it.

    Releasing it is proposed only where the owner surely manages this very cluster: on the cluster
    that this one is a copy of, that would release the original.
    """
    project, _, environment = owner.partition("/")
    origin = plan_input.origins.get(owner)
    adopt = f"adopt the records of {owner} here with --adopt-cloned {owner}"
    if origin is RecordOrigin.COPIED:
        return f"owned by {owner}, and this cluster seems to be a copy of that owner's: {adopt}"
    ways = f"if this cluster is a copy of that owner's, {adopt}"
    if origin is RecordOrigin.HERE:
        ways = f"to adopt it, list it under removed there and apply that; or, {ways}"
    if plan_input.owner.partition("/")[2] == environment:
        ways += f", or {project} under previous_names here if that is the previous name of this"
        ways += " project"
    return f"owned by {owner}. Give it another name here; or, {ways}"


def _plan_creation(
    desired: Resource, applied: Resource | None, plan_input: PlanInput, kind: Kind
) -> DraftChange:
    fields = fields_to_create(desired, kind, plan_input.server, plan_input.creations)
    fields = kind.refine_fields(fields, desired, None, applied)
    if worst_effect(fields) is Effect.REFUSED:
        return _refuse_change(desired.address, fields)
    because = "deleted outside qdrantctl" if applied else ""
    return DraftChange(
        desired.address, Action.CREATE, fields, _interruption_reason(applied) or because
    )


def plan_existing(
    desired: Resource, live: Resource, applied: Resource | None, kind: Kind, plan_input: PlanInput
) -> DraftChange:
    """The change of a resource that is declared and exists."""
    shape = field_tree_of(kind.spec)
    fields = compare_resource(
        desired, live, applied, kind, plan_input.server, plan_input.today, plan_input.diffs
    ).fields
    fields = refuse_unreadable(fields, live.facts.unread)
    if applied is not None and _interruption_reason(applied):
        fields = credit_interrupted_apply(shape, fields, applied)
    if plan_input.on_drift(desired.address) == "keep" and not (applied and applied.is_from_state):
        fields = keep_drift(shape, fields)
    fields = kind.refine_fields(fields, desired, live, applied)
    if worst_effect(fields) is Effect.REPLACE:
        fields = fields_of_replacement(fields, desired, live, applied, kind, plan_input)
    unapplied = unapplied_paths(shape, fields)
    if applied is not None:
        desired, plan_input = _as_recorded(desired, applied, kind, plan_input)
    return decide_change(fields, desired, live, applied, unapplied, plan_input)


def _as_recorded(
    desired: Resource, applied: Resource, kind: Kind, plan_input: PlanInput
) -> tuple[Resource, PlanInput]:
    """The manifest in the spelling of the record, and no new version for another spelling."""
    spelled = kind.respell(desired.spec, applied.spec, plan_input.server)
    if spelled == desired.spec:
        return desired, plan_input
    versions = {a: v for a, v in plan_input.versions.items() if a != desired.address}
    return replace(desired, spec=spelled), replace(plan_input, versions=versions)


def decide_change(
    fields: tuple[FieldChange, ...],
    desired: Resource,
    live: Resource,
    applied: Resource | None,
    unapplied: frozenset[Path],
    plan_input: PlanInput,
) -> DraftChange:
    """The change of an existing resource, by the worst of its fields.

    | worst field     | recorded              | action                       |
    |-----------------|-----------------------|------------------------------|
    | refused         | any                   | refused                      |
    | replace         | any                   | replace                      |
    | rebuild, update | no                    | adopt, and change the fields |
    | rebuild, update | yes                   | update                       |
    | kept, same      | no                    | adopt                        |
    | kept, same      | yes, but out of date  | adopt, to rewrite the record |
    | kept, same      | yes                   | noop                         |

    `unapplied` are the parts of the spec that the manifest changed and `on_drift: keep` does not
    apply.
    """
    address = desired.address
    match worst_effect(fields):
        case Effect.REFUSED:
            return _refuse_change(address, fields)
        case Effect.REPLACE if reason := reason_against_replacement(desired, live, plan_input):
            return DraftChange(address, Action.REFUSED, fields, reason)
        case Effect.REPLACE:
            return DraftChange(address, Action.REPLACE, fields, _worst_reason(fields))
        case Effect.REBUILD | Effect.UPDATE if applied is None:
            return DraftChange(address, Action.ADOPT, fields, "exists already and differs")
        case Effect.REBUILD | Effect.UPDATE:
            return DraftChange(
                address, Action.UPDATE, fields, _interruption_reason(applied), unapplied
            )
        case _ if applied is None:
            return DraftChange(address, Action.ADOPT, (), "exists already and is as stated")
    if because := reason_to_rewrite(desired, live, applied, unapplied, plan_input):
        dropped = tuple(field for field in fields if field.recorded is not ABSENT)
        return DraftChange(address, Action.ADOPT, dropped, because, unapplied)
    drifted = tuple(field for field in fields if is_kept_drift(field))
    because = f"{_field_names(drifted)}: {KEPT_AS_IT_IS}" if drifted else ""
    return DraftChange(address, Action.NOOP, (*drifted, *_unmanaged(fields)), because)


def _refuse_change(address: Address, fields: Sequence[FieldChange]) -> DraftChange:
    changes = tuple(field for field in fields if field.effect > Effect.KEPT)
    return DraftChange(address, Action.REFUSED, changes, _worst_reason(fields))


def _worst_reason(fields: Sequence[FieldChange]) -> str:
    worst = max(fields, key=lambda field: field.effect)
    return f"{_field_names([worst])}: {worst.because}"


def _field_names(fields: Sequence[FieldChange]) -> str:
    return ", ".join(".".join(str(part) for part in field.path if part != "") for field in fields)


def _interruption_reason(applied: Resource | None) -> str:
    """The reason for a change that an interrupted apply started; empty otherwise."""
    pending = applied is not None and applied.record and applied.record.pending is not None
    return "left incomplete by an interrupted apply" if pending else ""


def _without_renames(
    drafts: Mapping[Address, DraftChange], plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> dict[Address, DraftChange]:
    """Refuse a delete and a create with equal specs: a rename that would lose every point."""
    result = dict(drafts)
    deletions = {
        (candidate.kind, canonical_json(plan_input.live[candidate].spec)): candidate
        for candidate, draft in drafts.items()
        if draft.action is Action.DELETE
        and kinds[candidate.kind].holds_data
        and not is_allowed(plan_input.consents, "delete", candidate)
    }
    if not deletions:
        return result
    recorded = plan_input.recorded
    for candidate in list(deletions.values()):
        deletions.setdefault((candidate.kind, canonical_json(recorded[candidate].spec)), candidate)
    for address, draft in drafts.items():
        if draft.action is not Action.CREATE:
            continue
        deleted = deletions.get((address.kind, canonical_json(plan_input.desired[address].spec)))
        if deleted and result[deleted].action is Action.DELETE:
            because = (
                f"looks like a rename of {deleted}, and Qdrant cannot rename a collection. Keep "
                f"the name and give it an alias; or put {deleted} under removed to keep its "
                f"points; or allow the loss with --allow-delete {deleted}"
            )
            result[address] = DraftChange(address, Action.REFUSED, (), because)
            result[deleted] = DraftChange(deleted, Action.NOOP, because=f"see {address}")
    return result


def _build_change(
    draft: DraftChange, context: Context, plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Change:
    address, kind = draft.address, kinds[draft.address.kind]
    desired, live = plan_input.desired.get(address), plan_input.live.get(address)
    applied = context.recorded.get(address)
    retires = draft.because == RETIRES
    record = None if retires else new_record(draft, desired, applied, kind, plan_input)
    version: dict[str, Any] = {}
    if applied and applied.record:
        version["recorded"] = applied.record.schema_version
    if record:
        version["desired"] = record["schema_version"]
    optional: dict[str, Any] = {}
    if live:
        optional |= live.facts.identity
    if desired and desired.origin:
        optional["origin"] = desired.origin
    if live:
        optional |= _measure_load(draft, live)
    if record and draft.action is not Action.NOOP:
        optional["record"] = record
    change = Change(
        address=str(address),
        action=draft.action,
        cause=_overall_cause(draft, applied),
        because=draft.because,
        schema_version=SchemaVersion(**version),
        fields=_unmanaged(draft.fields) if draft.action is Action.NOOP else draft.fields,
        **optional,
    )
    if draft.action in (Action.NOOP, Action.REFUSED, Action.FORGET):
        return change
    if needs_replacement(change, desired, plan_input):
        return complete_replacement(change, desired, live, context, plan_input, kind)
    if retires:
        nodes = plan_input.nodes if plan_input.server.peers > 1 else ()
        retiring = retiring_steps(
            plan_input.replacements[address],
            nodes,
            takes_snapshot=not plan_input.no_snapshot(address),
        )
        return change.model_copy(update={"steps": retiring})
    if plan_input.is_offline and draft.action is Action.CREATE:
        return change
    steps = [Step(call=call) for call in kind.steps(change, context)]
    if destroys_points(change, live, kind) and not plan_input.no_snapshot(address):
        steps.insert(
            0, snapshot_step(change, plan_input.nodes if plan_input.server.peers > 1 else ())
        )
    return change.model_copy(update={"steps": tuple(steps)})


def _measure_load(draft: DraftChange, live: Resource) -> dict[str, int]:
    """The points that a change destroys or re-indexes, and the bytes that it re-indexes."""
    is_rebuilt = worst_effect(draft.fields) is Effect.REBUILD
    load: dict[str, int] = {}
    if live.facts.storage and is_rebuilt:
        load["disk_bytes"] = live.facts.storage.disk_bytes
    is_heavy = is_rebuilt or draft.action in (Action.DELETE, Action.REPLACE)
    if live.facts.points is not None and is_heavy:
        load["points"] = live.facts.points
    return load


def _unmanaged(fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """What another user has set and no manifest states."""
    return tuple(field for field in fields if field.because == NOT_MANAGED)


def _overall_cause(draft: DraftChange, applied: Resource | None) -> Cause:
    if applied is None:
        return Cause.NEW
    if draft.action is Action.CREATE or draft.because == RECREATED:
        return Cause.DRIFT
    causes = {
        field.cause for field in draft.fields if field.effect > Effect.KEPT or is_kept_drift(field)
    }
    if len(causes) > 1:
        return Cause.BOTH
    return next(iter(causes), Cause.EDIT)
