"""The flows of `replacement status`, `pause`, `abort` and `rollback`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.replacement_records import parse_replacements
from qdrantctl.engine.planning.blue_green import (
    forecast_replacement,
    remaining_steps,
    rollback_record,
)
from qdrantctl.flows.lease import LeaseWait, find_holder, hold_lease
from qdrantctl.flows.replacement.freeze import allow_writes
from qdrantctl.flows.replacement.identity import find_reference
from qdrantctl.flows.replacement.passes.reverse import count_differing_payloads, has_digests
from qdrantctl.flows.replacement.replace import Operator, prepare_run
from qdrantctl.flows.replacement.run import (
    digest_folder,
    remove_digests,
    remove_record,
    set_paused,
)
from qdrantctl.flows.replacement.stores import open_passes, read_shard_keys
from qdrantctl.flows.replacement.survivor import find_survivor, plan_return
from qdrantctl.flows.state.desired import DesiredState
from qdrantctl.flows.state.live import read_collection
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.actor import Actor
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.client import Client
from qdrantctl.model.errors import QdrantctlError, StaleError, UsageError
from qdrantctl.model.kind import Context
from qdrantctl.model.lease import replacements_owner
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.replacement import Phase, ReplacementRecord, parse_settings
from qdrantctl.model.replacement_status import ReplacementStatus, ReplacementStatuses
from qdrantctl.model.resource import Inventory
from qdrantctl.model.step import Call, Step, collection_path


def read_statuses(
    client: RestClient, settings: Settings, address: Address | None
) -> ReplacementStatuses:
    """The status of one replacement, or of all of this owner. Raises ClusterError, UsageError."""
    records = parse_replacements(ledger.read_ledger(client))
    holder = find_holder(client, replacements_owner(settings.owner))
    if address is not None:
        records = {address: _require_record(records, settings, address)}
    own = (record for record in records.values() if record.owner in settings.owners)
    return ReplacementStatuses(
        owner=settings.owner,
        replacements=tuple(ReplacementStatus.of(record, holder) for record in own),
    )


def find_record(client: RestClient, settings: Settings, address: Address) -> ReplacementRecord:
    """The record of a collection's replacement. Raises UsageError without one, ClusterError."""
    return _require_record(parse_replacements(ledger.read_ledger(client)), settings, address)


def _require_record(
    records: dict[Address, ReplacementRecord], settings: Settings, address: Address
) -> ReplacementRecord:
    record = records.get(address)
    if record is None or record.owner not in settings.owners:
        known = ", ".join(str(a) for a, r in records.items() if r.owner in settings.owners)
        raise UsageError(
            f"no replacement of {address} is under way",
            hint=f"There is one of {known}." if known else "`qdrantctl plan` shows what is to do.",
        )
    return record


def pause_replacement(client: RestClient, settings: Settings, address: Address) -> str:
    """Pause a replacement; its run ends within seconds. Returns what to say of it."""
    record = find_record(client, settings, address)
    if record.is_kept:
        raise UsageError(
            f"the replacement of {address} has ended: {record.old.name} is kept until "
            f"{record.keep_until}"
        )
    set_paused(client, address, paused=True)
    return (
        f"paused {address} in phase {record.phase}; a run of it stops within seconds, and "
        f"qdrantctl replacement resume {address} goes on"
    )


def unpause_replacement(client: RestClient, settings: Settings, address: Address) -> None:
    """Let a replacement go on. Raises UsageError if there is none under way."""
    if find_record(client, settings, address).is_kept:
        raise UsageError(f"the replacement of {address} has ended; there is nothing to resume")
    set_paused(client, address, paused=False)


def plan_abort(client: RestClient, settings: Settings, address: Address) -> Plan:
    """The plan that deletes the new collection. Raises UsageError after the switch."""
    record = find_record(client, settings, address)
    lacks_target = find_reference(client, address, record.new.name) is None
    is_pointless = record.returning and lacks_target
    if record.phase.is_after_switch or (record.returning and not is_pointless):
        way = "resume" if record.returning else "rollback"
        raise UsageError(
            f"the aliases have moved to {record.new.name}, which is in use",
            hint=f"qdrantctl replacement {way} {address} puts them back.",
        )
    old, new = record.old.name, record.new.name
    call = Call(method="DELETE", path=collection_path(new))
    because = f"{new} is deleted, {old} stays"
    steps: tuple[Step, ...] = (Step(call=call),)
    if is_pointless:
        because, steps = f"{new} is gone, so nothing can be rolled back to it; {old} stays", ()
    elif _holds_only_copy(client, record):
        because, steps = f"{old} is gone, so {new} stays: it holds the only copy of the points", ()
    change = Change(
        address=str(address),
        action=Action.UPDATE,
        cause=Cause.EDIT,
        because=f"aborts its replacement: {because}",
        steps=steps,
    )
    return _plan_of(change, client, settings)


def _holds_only_copy(client: Client, record: ReplacementRecord) -> bool:
    """Whether another user has deleted the old collection, so that the new one must stay."""
    is_moved = parse_settings(record.settings).source is not None
    return not is_moved and find_reference(client, record.address, record.old.name) is None


def abort_replacement(
    client: RestClient, settings: Settings, address: Address, operator: Operator
) -> None:
    """Delete the new collection and the record. Raises LeaseError while a run goes on."""
    wait = LeaseWait(operator.lease_timeout, operator.notify, operator.is_cancelled)
    with hold_lease(client, replacements_owner(settings.owner), operator.actor, wait) as guarded:
        record = find_record(client, settings, address)
        if record.phase.is_after_switch:
            raise StaleError("the aliases have moved since; nothing was deleted")
        is_only_copy = _holds_only_copy(guarded, record)
        if record.frozen_caps is not None and not is_only_copy:
            allow_writes(guarded, record.old.name, record.frozen_caps)
        now = find_reference(guarded, address, record.new.name)
        if now is not None and record.returning:
            raise StaleError(f"{record.new.name} is there again; nothing was deleted")
        if now is not None and not is_only_copy:
            if record.new.uuid and now.uuid and now.uuid != record.new.uuid:
                raise StaleError(
                    f"{record.new.name} was deleted and created again by another user; it stays"
                )
            live = read_collection(guarded, address, record.new.name)
            if live is not None and live.facts.aliases:
                names = ", ".join(live.facts.aliases)
                raise StaleError(f"aliases lead to {record.new.name}: {names}; it stays")
            path = collection_path(record.new.name)
            guarded.request(Call(method="DELETE", path=path))
        remove_record(guarded, address)
    remove_digests(settings.root, record)


def end_without_old(client: RestClient, settings: Settings, address: Address, actor: Actor) -> str:
    """End a replacement whose old collection another user has deleted after the switch.

    Returns what to say of it; empty if there is something to delete, or no replacement that has
    switched. Raises ClusterError, LeaseError.
    """
    record = find_record(client, settings, address)
    is_over = record.phase.is_after_switch and not record.returning
    if not is_over or find_reference(client, address, record.old.name) is not None:
        return ""
    owner = replacements_owner(settings.owner)
    wait = LeaseWait(0.0, lambda _: None, lambda: False)
    with hold_lease(client, owner, actor, wait) as guarded:
        remove_record(guarded, address)
    remove_digests(settings.root, record)
    return f"{record.old.name} is gone already; the replacement of {address} has ended"


def plan_rollback(
    client: RestClient, settings: Settings, address: Address, operator: Operator
) -> tuple[Plan, ReplacementRecord]:
    """The plan of a rollback, and the record that it begins with. Raises UsageError.

    Where nothing can be carried over, it says how many points differ. Where the collection in use
    is gone, only the aliases are put back.
    """
    record = find_record(client, settings, address)
    if survivor := find_survivor(client, record):
        return _plan_of(plan_return(client, record, survivor), client, settings), record
    if not (record.phase.is_after_switch or record.returning):
        raise UsageError(
            f"the aliases of {address} have not moved yet",
            hint=f"qdrantctl replacement abort {address} deletes the new collection.",
        )
    if record.phase is Phase.SWEEP and not record.returning:
        raise UsageError(
            f"the sweep of {address} has not ended: writes from before the switch may be missing",
            hint=f"qdrantctl replacement resume {address} ends it; roll back then.",
        )
    for ref in (record.new, record.old):
        if find_reference(client, address, ref.name) is None:
            way = "abort" if record.returning else "finish"
            raise UsageError(
                f"{ref.name} is gone from the cluster; there is no way back",
                hint=f"qdrantctl replacement {way} {address} ends the replacement.",
            )
    live = read_collection(client, address, record.new.name)
    assert live is not None
    if not record.returning:
        keys = read_shard_keys(live)
        folder = digest_folder(settings.root, record)
        record = rollback_record(record, has_digests=has_digests(folder, record.id, keys))
    server = client.server
    context = Context(server, client.server_time.date(), Inventory(), Inventory(), Inventory())
    because = f"rolls back: the aliases move from {record.old.name} to {record.new.name}"
    if not record.carries:
        count = _count_left_behind(client, settings, record, operator)
        because += f"; {count:,} points that differ cannot be carried over, and stay there"
    change = Change(
        address=str(address),
        action=Action.REPLACE,
        cause=Cause.EDIT,
        because=because,
        replacement=forecast_replacement(record, live, server),
        record=record.entry,
    )
    steps = remaining_steps(record, change, context, BY_NAME[address.kind])
    return _plan_of(change.model_copy(update={"steps": steps}), client, settings), record


def _count_left_behind(
    client: RestClient, settings: Settings, record: ReplacementRecord, operator: Operator
) -> int:
    """How many points differ in their payload, or are on one side only. Raises ClusterError."""
    run = prepare_run(record, settings, client, client, operator)
    with TemporaryDirectory() as folder, open_passes(run, record.old.name, record.new.name) as own:
        return count_differing_payloads(replace(own, folder=Path(folder)))


def _plan_of(change: Change, client: RestClient, settings: Settings) -> Plan:
    contents = ledger.read_ledger(client)
    if not contents.exists:
        raise QdrantctlError("the ledger is gone")
    return Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(client.server, contents.cluster_id),
        manifests_digest=DesiredState(Inventory(), ()).digest,
        changes=(change,),
    )
