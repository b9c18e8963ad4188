"""What the ledger holds of a resource, before, after and beyond a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import MISSING

from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Action, Change
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server
from qdrantctl.model.snapshots.snapshot import SnapshotRecord

HISTORY = 20
"""Entries of a record's history that are kept."""


def new_ledger_entry(change: Change, owner: str) -> dict[str, Json]:
    """The record of a resource of which the ledger knows nothing: ours, with nothing in it yet."""
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
    """The record while a change is under way: what was, and what is being applied.

    A replacement takes the collection's aliases down with it. They are remembered until it is
    done, so that whoever finishes it can make them again. Every snapshot that was taken stays in
    the record, also of a resource that is deleted: what it says of a file is not to be had again.
    """
    after = _recorded_state(change)
    known = bool(before) and not before.get("deleted")
    entry = dict(before) if known else new_ledger_entry(change, owner)
    if "generations" in before:
        entry["generations"] = before["generations"]
    entry["history"] = list(before.get("history", ()))
    open_before = before.get("pending") or {}
    entry["pending"] = {"action": str(change.action)}
    if after:
        entry["pending"]["spec"] = after["spec"]
    if kept := [
        *before.get("snapshots", ()),
        *([record.of(before).model_dump(mode="json")] if record else ()),
    ]:
        entry["snapshots"] = kept
    if record or open_before.get("snapshot"):
        entry["pending"]["snapshot"] = record.id if record else open_before["snapshot"]
    aliases = set(open_before.get("aliases", ()))
    if change.action is Action.REPLACE and live:
        aliases.update(live.facts.aliases)
    if aliases:
        entry["pending"]["aliases"] = sorted(aliases)
    return entry


def applied_entry(
    change: Change,
    before: Mapping[str, Json],
    live: Resource | None,
    server: Server,
    actor: Actor,
    when: str,
) -> dict[str, Json]:
    """The record once a change has been read back."""
    entry = {**before, **_recorded_state(change)}
    for word in ("pending", "restoring"):
        entry.pop(word, None)
    entry["deleted"] = change.action in (Action.DELETE, Action.FORGET)
    entry["observed"] = dict(live.spec) if live else None
    entry["uuid"] = live.facts.uuid if live else ""
    entry["server"] = str(server.version)
    stamp = {"when": when, "who": actor.who, "commit": actor.commit, "run": actor.run}
    entry |= stamp
    line = stamp | {"action": str(change.action), "digest": entry.get("digest", "")}
    line["schema_version"] = entry.get("schema_version", 0)
    if snapshot := (before.get("pending") or {}).get("snapshot"):
        line["snapshot"] = snapshot
    entry["history"] = [*before.get("history", ()), line][-HISTORY:]
    return entry


def _recorded_state(change: Change) -> Mapping[str, Any]:
    return {} if change.record is MISSING else change.record
