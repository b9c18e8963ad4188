"""What the ledger remembers of the sets that this cluster has taken.

A destination may be shared, and written to by others. Nothing on the servers, and no set, is
touched because a file there says so: the ledger has to say so, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.forms import is_cluster_id
from qdrantctl.model.snapshots.identity import ClusterIdentity, RecordedSet
from qdrantctl.model.snapshots.snapshot_set import SetManifest
from qdrantctl.model.step import Call

KIND = "snapshot_sets"
"""Of entries of the ledger that are no resources: what a policy has taken, and what of it is left
on the servers."""
_EMBEDDED = "embedded"
"""For the address of an embedded server, which has another port each time."""
_REMEMBERED = timedelta(days=30)
"""After which a set is forgotten that stands at no destination any more."""


def read_identity(
    settings: Settings, client: Client, contents: ledger.LedgerContents
) -> ClusterIdentity:
    """Which cluster this is, and which sets it has taken."""
    recorded: dict[str, RecordedSet] = {}
    for address, entry in contents.entries.items():
        if address.kind == KIND:
            recorded |= _recorded_sets(entry)
    addresses = (_EMBEDDED,) if settings.embedded else (client.server.url, *settings.nodes)
    return ClusterIdentity(contents.cluster_id, recorded, addresses, _read_process_id(client))


def ensure_cluster_id(client: Client) -> None:
    """Give a ledger an id that has none, as those that were made by hand. Raises ClusterError."""
    contents = ledger.read_ledger(client)
    if contents.exists and not is_cluster_id(contents.cluster_id):
        ledger.write_cluster_id(client, str(uuid4()))


def _read_process_id(client: Client) -> str:
    """The id that the server gave itself when it was started; empty where it does not tell."""
    with suppress(ClusterError):
        call = Call(method="GET", path="/telemetry", query={"details_level": "2"})
        telemetry = client.request(call)
        return str(telemetry.get("id") or "") if isinstance(telemetry, dict) else ""
    return ""


def _recorded_sets(entry: Mapping[str, Any]) -> dict[str, RecordedSet]:
    """The sets that a ledger entry lists, by folder. Unreadable ones are left out."""
    recorded: dict[str, RecordedSet] = {}
    for folder, document in (entry.get("taken") or {}).items():
        with suppress(ValidationError):
            recorded[folder] = RecordedSet.model_validate(document)
    return recorded


def record_set(
    client: Client,
    identity: ClusterIdentity,
    manifest: SetManifest,
    standing: Iterable[str] | None = None,
) -> ClusterIdentity:
    """Have the ledger remember a set, before anything of it is written. Raises ClusterError.

    `standing` are the folders of all sets at all destinations of its policy, if they are known:
    older sets that are not among them are forgotten.
    """
    record = RecordedSet(
        collection=manifest.snapshot.collection,
        taken=manifest.taken,
        url=identity.addresses[0],
        process=identity.process,
        files=manifest.file_names,
    )
    entry = read_policy_entry(client, manifest.owner, manifest.policy)
    taken = {**(entry.get("taken") or {}), manifest.folder: record.model_dump(mode="json")}
    if standing is not None:
        known = {*standing, manifest.folder}
        oldest = manifest.taken - _REMEMBERED
        for folder, old in _recorded_sets(entry).items():
            if folder not in known and old.taken < oldest:
                taken.pop(folder, None)
    write_policy_entry(client, manifest.owner, manifest.policy, {**entry, "taken": taken})
    return replace(identity, recorded={**identity.recorded, manifest.folder: record})


def forget_set(client: Client, manifest: SetManifest) -> None:
    """Have the ledger forget a set that stands nowhere any more. Raises ClusterError."""
    entry = read_policy_entry(client, manifest.owner, manifest.policy)
    taken = dict(entry.get("taken") or {})
    if taken.pop(manifest.folder, None):
        write_policy_entry(client, manifest.owner, manifest.policy, {**entry, "taken": taken})


def read_policy_entry(client: Client, owner: str, policy: str) -> Mapping[str, Json]:
    """What the ledger holds of a policy's sets; empty where nothing. Raises ClusterError."""
    address = Address(KIND, policy).qualified(owner)
    entry: Mapping[str, Json] = ledger.read_ledger(client).entries.get(address, {})
    return entry


def write_policy_entry(client: Client, owner: str, policy: str, entry: Mapping[str, Json]) -> None:
    """Write what the ledger holds of a policy's sets. Raises ClusterError."""
    address = str(Address(KIND, policy).qualified(owner))
    known = {word: entry[word] for word in ("files", "taken") if word in entry}
    ledger.write_entries(client, [{"owner": owner, "address": address, "spec": {}, **known}])
