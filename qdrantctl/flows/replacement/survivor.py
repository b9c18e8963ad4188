"""The way back where the collection in use was deleted by another user, and its aliases with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.flows.lease import LeaseWait, hold_lease
from qdrantctl.flows.replacement.freeze import allow_writes
from qdrantctl.flows.replacement.identity import find_reference
from qdrantctl.flows.replacement.replace import Operator
from qdrantctl.flows.replacement.run import (
    format_moment,
    read_record,
    remove_digests,
    remove_record,
)
from qdrantctl.flows.replacement.switch import (
    ALIASES_AGREE_WITHIN,
    move_request,
    read_alias_targets,
)
from qdrantctl.flows.state.ledger_entry import applied_entry
from qdrantctl.flows.state.live import read_collection
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError, StaleError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import replacements_owner
from qdrantctl.model.plan import Plan
from qdrantctl.model.polling import poll
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.step import Step


@dataclass(frozen=True, slots=True)
class Survivor:
    """The collection that is left of a replacement whose collection in use is gone."""

    name: str
    lost: str
    """The name of the collection that is gone."""
    entry: Mapping[str, Json]
    """The ledger record that describes it."""


def find_survivor(client: Client, record: ReplacementRecord) -> Survivor | None:
    """The collection that is left; None before the switch, or where the one in use stands.

    Raises ClusterError.
    """
    if not (record.phase.is_after_switch or record.returning):
        return None
    old, new = record.old.name, record.new.name
    if record.phase.is_after_switch:
        survivor = Survivor(old, lost=new, entry=record.before)
    else:
        survivor = Survivor(new, lost=old, entry=record.entry)
    stands = find_reference(client, record.address, survivor.name) is not None
    is_lost = find_reference(client, record.address, survivor.lost) is None
    return survivor if stands and is_lost else None


def plan_return(client: Client, record: ReplacementRecord, survivor: Survivor) -> Change:
    """The change that makes the aliases lead to the survivor. Raises ClusterError."""
    aliases = _list_missing_aliases(client, record)
    return Change(
        address=str(record.address),
        action=Action.UPDATE,
        cause=Cause.EDIT,
        because=f"{survivor.lost} is gone from the cluster: the aliases lead to {survivor.name}, "
        "which lacks what was written since the switch",
        steps=(Step(call=move_request(aliases, survivor.name)),) if aliases else (),
        record=survivor.entry,
    )


def return_to_survivor(
    client: RestClient, settings: Settings, plan: Plan, operator: Operator
) -> Report:
    """Carry out the plan, and end the replacement. Raises StaleError, LeaseError, ClusterError.

    Aliases that lead to other collections by now stay as they are.
    """
    [change] = plan.changes
    address = change.parsed_address
    wait = LeaseWait(operator.lease_timeout, operator.notify, operator.is_cancelled)
    with (
        hold_lease(client, replacements_owner(settings.owner), operator.actor, wait),
        hold_lease(client, settings.owner, operator.actor, wait) as guarded,
    ):
        record = read_record(guarded, address)
        survivor = find_survivor(guarded, record) if record else None
        if record is None or survivor is None:
            raise StaleError(
                f"the replacement of {address} changed since the plan was made", hint="Plan again."
            )
        if record.frozen_caps is not None and survivor.name == record.old.name:
            allow_writes(guarded, survivor.name, record.frozen_caps)
        if aliases := _list_missing_aliases(guarded, record):
            guarded.request(move_request(aliases, survivor.name))
        _read_aliases_back(guarded, aliases, survivor.name)
        before = ledger.read_ledger(guarded).entries.get(address, {})
        live = read_collection(guarded, address, survivor.name)
        when = format_moment(guarded.server_time)
        entry = applied_entry(change, before, live, guarded.server, operator.actor, when)
        ledger.write_entries(
            guarded, [entry | {"object": survivor.name, "url": guarded.server.url}]
        )
        remove_record(guarded, address)
    remove_digests(settings.root, record)
    outcome = Outcome(
        address=change.address,
        action=change.action,
        status=OutcomeStatus.DONE,
        note=f"the aliases lead to {survivor.name}",
    )
    operator.on_outcome(outcome)
    return Report.of(plan, [outcome])


def _read_aliases_back(client: Client, aliases: tuple[str, ...], collection: str) -> None:
    """Raises ClusterError if an alias does not lead to the collection."""

    def find_others() -> list[str]:
        leading = read_alias_targets(client)
        return [alias for alias in aliases if leading.get(alias) != collection]

    if others := poll(find_others, lambda found: not found, timeout=ALIASES_AGREE_WITHIN):
        raise ClusterError(
            f"{client.server.url}: {', '.join(others)} do not lead to {collection}",
            hint="Run the command again.",
        )


def _list_missing_aliases(client: Client, record: ReplacementRecord) -> tuple[str, ...]:
    existing = read_alias_targets(client)
    return tuple(alias for alias in record.aliases if alias not in existing)
