"""Replacements without downtime in a plan: begun, resumed, and retired at their end. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.engine.planning.blue_green import (
    BLUE_GREEN,
    draft_record,
    forecast_replacement,
    name_new_collection,
    remaining_steps,
)
from qdrantctl.engine.planning.compare import compare_resource
from qdrantctl.engine.planning.inputs import DraftChange, PlanInput
from qdrantctl.engine.planning.recorded_spec import ignored_paths, spec_to_record
from qdrantctl.model.address import Address
from qdrantctl.model.change import RETIRES, Action, Change, FieldChange
from qdrantctl.model.consent import is_allowed
from qdrantctl.model.field_rule import json_equal
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.replacement import ReplacementRecord, parse_settings
from qdrantctl.model.resource import Resource

UNDER_WAY = "a replacement is under way"


def draft_resumption(
    record: ReplacementRecord,
    desired: Resource | None,
    live: Resource | None,
    applied: Resource | None,
    kind: Kind,
    plan_input: PlanInput,
) -> DraftChange:
    """The change of a collection that is being replaced: what is left of it, or a refusal.

    Only the state that the replacement leads to can be applied until it has ended.
    """
    address = record.address
    status = f"{UNDER_WAY} ({record.phase}, {record.old.name} to {record.new.name})"
    commands = f"qdrantctl replacement status {address}"
    if record.owner not in {plan_input.owner, *plan_input.previous_owners}:
        return DraftChange(address, Action.REFUSED, because=f"{status}, by {record.owner}")
    if record.paused:
        because = f"{status}, paused; go on with qdrantctl replacement resume {address}"
        return DraftChange(address, Action.NOOP, because=because)
    if desired is None:
        because = f"{status}, and no manifest states the collection; see {commands}"
        return DraftChange(address, Action.REFUSED, because=because)
    stored = spec_to_record(desired, applied, ignored_paths(desired, plan_input.today))
    if not (record.returning or json_equal(dict(stored), dict(record.entry["spec"]))):
        because = f"{status}, to another state than the manifest states; finish or abort it first"
        return DraftChange(address, Action.REFUSED, because=because)
    if record.run_by:
        return DraftChange(address, Action.NOOP, because=f"{status}, run by {record.run_by}")
    fields: tuple[FieldChange, ...] = ()
    if live is not None and not (record.phase.is_after_switch or record.returning):
        fields = compare_resource(
            desired, live, applied, kind, plan_input.server, plan_input.today
        ).needed_changes
    is_moved = parse_settings(record.settings).source is not None
    action = Action.CREATE if is_moved else Action.REPLACE
    return DraftChange(address, action, fields, f"{status}; goes on")


def with_retirement(draft: DraftChange, plan_input: PlanInput) -> DraftChange:
    """The draft, or the retirement of an old collection that was kept long enough.

    Where another user has deleted the new collection, the old one holds the only copy, and stays.
    It destroys points, so it needs the consent to replace; without it a rule tells what is due.
    Nothing else is changed then: what the manifest asks for comes with the next plan.
    """
    is_due = draft.address in plan_input.retirable and draft.address in plan_input.live
    if is_due and is_allowed(plan_input.consents, "replace", draft.address):
        return DraftChange(draft.address, Action.UPDATE, because=RETIRES)
    return draft


def refuse_while_kept(
    drafts: Mapping[Address, DraftChange], plan_input: PlanInput
) -> dict[Address, DraftChange]:
    """Refuse to remove, forget or create again what an old collection is kept for."""
    ending = (Action.REPLACE, Action.DELETE, Action.FORGET, Action.CREATE)
    result = dict(drafts)
    for address, record in plan_input.replacements.items():
        if record.is_kept and address in drafts and drafts[address].action in ending:
            because = (
                f"{record.old.name} is still kept from its last replacement; retire it first with "
                f"qdrantctl replacement finish {address}"
                if address in plan_input.live
                else f"{record.new.name} is gone from the cluster, and {record.old.name} holds the "
                f"only copy of its points: qdrantctl replacement rollback {address} puts it back"
            )
            result[address] = DraftChange(address, Action.REFUSED, (), because)
    return result


def reason_against_replacement(desired: Resource, live: Resource, plan_input: PlanInput) -> str:
    """Why a replacement without downtime cannot begin now; empty if it can, or is none."""
    if desired.lifecycle.replace != BLUE_GREEN:
        return ""
    version = plan_input.versions.get(desired.address)
    if version is None:
        return ""
    new = Address(desired.address.kind, name_new_collection(desired.address, version))
    if new in plan_input.live or live.object_name == new.name:
        return (
            f"the name of the new collection is taken: {new.name} exists; delete it if it is left "
            "over, or state it in a manifest by this name if it is in use"
        )
    return ""


def needs_replacement(change: Change, desired: Resource | None, plan_input: PlanInput) -> bool:
    """Whether a change is made beside the live collection, or fills it from another cluster."""
    if change.parsed_address in plan_input.replacements:
        return change.action in (Action.REPLACE, Action.CREATE)
    if desired is None or desired.lifecycle.replace != BLUE_GREEN:
        return False
    is_moved = "from" in desired.lifecycle.replacement
    return change.action is Action.REPLACE or (change.action is Action.CREATE and is_moved)


def complete_replacement(
    change: Change,
    desired: Resource | None,
    live: Resource | None,
    context: Context,
    plan_input: PlanInput,
    kind: Kind,
) -> Change:
    """The change with the steps of its replacement, and what it takes and promises."""
    record = plan_input.replacements.get(change.parsed_address)
    if record is None:
        assert desired is not None
        assert isinstance(change.record, Mapping)
        record = draft_record(change, change.record, desired, live, plan_input.owner)
    update = {
        "replacement": forecast_replacement(record, live, context.server),
        "steps": remaining_steps(record, change, context, kind),
        "record": record.entry,
    }
    return change.model_copy(update=update)
