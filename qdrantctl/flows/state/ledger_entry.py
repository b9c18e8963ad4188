"""Ledger entries of a resource: new, during and after a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import MISSING

from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.field_rule import Effect, Json
from qdrantctl.model.paths import leaf_paths
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server
from qdrantctl.model.snapshots.snapshot import SnapshotRecord
from qdrantctl.model.step import list_calls

HISTORY = 20
"""Maximum number of history lines in an entry."""


def new_ledger_entry(change: Change, owner: str) -> dict[str, Json]:
    """An empty entry of this owner, for a resource without an entry."""
    address = change.parsed_address
    named = address.qualified(owner) if BY_NAME[address.kind].scoped_to_owner else address
    return {
        "owner": owner,
        "address": str(named),
        "object": address.name,
        "schema_version": 0,
        "digest": "",
        "spec": {},
        "lifecycle": {},
    }


def pending_entry(
    change: Change,
    before: Mapping[str, Json],
    live: Resource | None,
    owner: str,
    record: SnapshotRecord | None = None,
) -> dict[str, Json]:
    """The entry during a change: the previous record, and the change that is being applied.

    A replacement deletes the collection's aliases too. They are recorded until it is complete, so
    that the next apply can recreate them. Every snapshot stays in the entry, even if the resource
    is deleted: the data about its files cannot be recovered otherwise.
    """
    after = _recorded_state(change)
    is_recorded = bool(before) and not before.get("deleted")
    entry = dict(before) if is_recorded else new_ledger_entry(change, owner)
    if "generations" in before:
        entry["generations"] = before["generations"]
    entry["history"] = list(before.get("history", ()))
    previous_pending = before.get("pending") or {}
    entry["pending"] = {"action": str(change.action)}
    if after:
        entry["pending"]["spec"] = after["spec"]
    if passing := _passing_values(change):
        entry["pending"]["passing"] = passing
    if snapshots := [
        *before.get("snapshots", ()),
        *([record.of(before).model_dump(mode="json")] if record else ()),
    ]:
        entry["snapshots"] = snapshots
    if record or previous_pending.get("snapshot"):
        entry["pending"]["snapshot"] = record.id if record else previous_pending["snapshot"]
    aliases = set(previous_pending.get("aliases", ()))
    if change.action is Action.REPLACE and live:
        aliases.update(live.facts.aliases)
    if aliases:
        entry["pending"]["aliases"] = sorted(aliases)
    return entry


def _passing_values(change: Change) -> list[list[str | int]]:
    """Paths that the requests set for a while: caps that are lifted while indexes are made."""
    patched = [
        path
        for call in list_calls(change.steps)
        if call.method == "PATCH"
        for path in leaf_paths(call.body)
    ]
    return sorted(list(path) for path in {path for path in patched if patched.count(path) > 1})


def applied_entry(
    change: Change,
    before: Mapping[str, Json],
    live: Resource | None,
    server: Server,
    actor: Actor,
    when: str,
) -> dict[str, Json]:
    """The entry after a change, with the resource as read back."""
    entry = {**before, **_recorded_state(change)}
    for word in ("pending", "restoring", "stated_commit", "created_at"):
        entry.pop(word, None)
    entry["deleted"] = change.action in (Action.DELETE, Action.FORGET)
    entry["observed"] = dict(live.spec) if live else None
    entry["uuid"] = live.facts.uuid if live else ""
    if live and live.facts.created_at:
        entry["created_at"] = live.facts.created_at
    entry["server"] = str(server.version)
    stamp = {"when": when, **actor.document}
    entry |= stamp
    line = stamp | {"action": str(change.action), "digest": entry.get("digest", "")}
    line["schema_version"] = entry.get("schema_version", 0)
    line["fields"] = [
        _applied_field(field) for field in change.fields if field.effect > Effect.KEPT
    ]
    if snapshot := (before.get("pending") or {}).get("snapshot"):
        line["snapshot"] = snapshot
    entry["history"] = [*before.get("history", ()), line][-HISTORY:]
    return entry


def _applied_field(field: FieldChange) -> dict[str, Json]:
    """What the history keeps of a field: its path, and its value before and after."""
    values = {"before": field.live, "after": field.desired}
    stated = {word: value for word, value in values.items() if value is not MISSING}
    return {"path": list(field.path), **stated}


def _recorded_state(change: Change) -> Mapping[str, Any]:
    return {} if change.record is MISSING else change.record
