"""Changes that are refused because their name means something else on the cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from qdrantctl.engine.hidden import describe_hidden, find_hidden
from qdrantctl.engine.planning.inputs import DraftChange, PlanInput
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action
from qdrantctl.model.kind import Kind


def refuse_name_conflicts(
    drafts: Mapping[Address, DraftChange], plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> dict[Address, DraftChange]:
    """The drafts, those refused whose name is that of something else."""
    drafts = _without_hidden(drafts, plan_input, kinds)
    drafts = _without_clashes(drafts, plan_input, kinds)
    return _without_names_on_cluster(drafts, plan_input, kinds)


def _without_hidden(
    drafts: Mapping[Address, DraftChange], plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> dict[Address, DraftChange]:
    """Refuse changes by a name that is both a collection and an alias of another one.

    Only the alias can be deleted: that request reaches nothing else.
    """
    result = dict(drafts)
    if not any(resource.facts.hidden_by for resource in plan_input.live.values()):
        return result
    for address, draft in drafts.items():
        hidden = find_hidden(address, plan_input.live, kinds)
        is_way_out = draft.action is Action.DELETE and hidden is not None and address != hidden
        if hidden is not None and not is_way_out and draft.action is not Action.FORGET:
            because = f"the name is two things: {describe_hidden(hidden, plan_input.live)}"
            result[address] = DraftChange(address, Action.REFUSED, (), because)
    return result


def _without_clashes(
    drafts: Mapping[Address, DraftChange], plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> dict[Address, DraftChange]:
    """Refuse creations whose name is taken by another kind that this plan does not delete."""
    result = dict(drafts)
    for address, draft in drafts.items():
        namespace = kinds[address.kind].namespace
        if draft.action is not Action.CREATE or not namespace:
            continue
        for rival_kind in (kind for kind in kinds.values() if kind.namespace == namespace):
            rival = Address(rival_kind.name, address.name)
            clashes = rival_kind.name != address.kind and rival in plan_input.live
            is_deleted = rival in drafts and drafts[rival].action is Action.DELETE
            if clashes and not is_deleted:
                because = f"the name is taken by {rival}, which this plan does not delete"
                result[address] = DraftChange(address, Action.REFUSED, (), because)
    return result


def _without_names_on_cluster(
    drafts: Mapping[Address, DraftChange], plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> dict[Address, DraftChange]:
    """Refuse what manifests give a name that a collection of another address has."""
    result = dict(drafts)
    for address in drafts:
        holder = plan_input.names.find_holder(address.name)
        if holder in (None, address) or address not in plan_input.desired:
            continue
        if holder and kinds[address.kind].namespace == kinds[holder.kind].namespace:
            because = f"{address.name} is the name on the cluster of a collection of {holder}"
            result[address] = DraftChange(address, Action.REFUSED, (), because)
    return result
