"""The policies that an owner has applied, and the sets at their destinations. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.stores.store import Store, open_store
from qdrantctl.engine.snapshots.policy_status import (
    KIND,
    DestinationStatus,
    PolicyFinding,
    PolicyStatus,
    policy_covers,
)
from qdrantctl.engine.snapshots.retention import with_retention
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.sets.catalog import list_sets
from qdrantctl.flows.snapshots.sets.cluster_store import ClusterStore
from qdrantctl.flows.state.desired import load_desired_state
from qdrantctl.flows.state.live import read_recorded_resources
from qdrantctl.kinds.cron_schedule import schedule_at
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import QdrantctlError, UsageError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import find_unfinished_restore
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, set_folder
from qdrantctl.model.step import Call


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """A policy with its opened destinations and their sets."""

    status: PolicyStatus
    stores: Mapping[str, Store] = field(default_factory=dict)
    """Readable destinations, by URL."""
    sets: Mapping[tuple[str, str], SnapshotSet] = field(default_factory=dict)
    """Sets by URL and folder; oldest first for each collection and destination."""


def check_policies(
    settings: Settings, client: NodeClient, remembered: Inventory
) -> list[PolicyFinding]:
    """Findings about the applied policies; without a policy no request is sent.

    Raises ClusterError.
    """
    recorded = (r for a, r in remembered.items() if a.kind == KIND and r.record)
    if not any(r.record and r.record.owner in settings.owners for r in recorded):
        return []
    job = JobContext(client, lambda _: None, lambda: False, settings.nodes)
    return [
        finding
        for policy in read_policies(settings, job)
        for finding in policy.status.findings(client.server_time)
    ]


def list_policy_sets(
    settings: Settings, job: JobContext
) -> tuple[tuple[SnapshotSet, ...], tuple[str, ...]]:
    """All sets of all policies, and errors about unreadable destinations.

    Raises ClusterError.
    """
    policies = read_policies(settings, job)
    sets = tuple(snapshot_set for policy in policies for snapshot_set in policy.sets.values())
    return sets, tuple(error for policy in policies for error in policy.status.errors)


def read_policies(
    settings: Settings, job: JobContext, only: tuple[str, ...] = ()
) -> list[AppliedPolicy]:
    """The applied policies, or those named. Raises ClusterError, UsageError."""
    ledger_contents = read_recorded_resources(job.client, settings.owners)
    specs = {
        address.name: entry["spec"]
        for address, entry in ledger_contents.entries.items()
        if address.kind == KIND and entry["owner"] in settings.owners and not entry.get("deleted")
    }
    selected = {_policy_name(word) for word in only} or specs.keys()
    if unknown := sorted(selected - specs.keys()):
        applied = f"Applied are {', '.join(sorted(specs))}." if specs else "None is applied."
        raise UsageError(
            f"no policy {unknown[0]} of {settings.owner} is applied", hint=f"{applied} Apply first."
        )
    listed = job.client.request(Call(method="GET", path="/collections"))["collections"]
    entries = {
        a.name: entry for a, entry in ledger_contents.entries.items() if a.kind == "collection"
    }
    existing = frozenset(entry["name"] for entry in listed)
    return [
        read_destinations(
            _policy_status(settings, name, spec, existing, entries, job), settings, job
        )
        for name, spec in sorted(specs.items())
        if name in selected
    ]


def unapplied_policies(settings: Settings, client: NodeClient) -> list[str]:
    """Names of policies that the manifests state and that were never applied.

    Raises ManifestError, UsageError, ClusterError.
    """
    stated = {a.name for a in load_desired_state(settings).inventory if a.kind == KIND}
    entries = read_recorded_resources(client, settings.owners).entries if stated else {}
    applied = {
        address.name
        for address, entry in entries.items()
        if address.kind == KIND and entry["owner"] in settings.owners and not entry.get("deleted")
    }
    return sorted(stated - applied)


def _policy_name(word: str) -> str:
    return Address.parse(word).name if word.startswith(f"{KIND}/") else word


def _policy_status(
    settings: Settings,
    name: str,
    spec: Mapping[str, Any],
    existing: frozenset[str],
    entries: Mapping[str, Mapping[str, Json]],
    job: JobContext,
) -> PolicyStatus:
    """A policy with the collections it covers; `entries` are the ledger's, by collection."""
    foreign = {
        collection
        for collection, entry in entries.items()
        if entry["owner"] not in settings.owners and not entry.get("deleted")
    }
    covered = [
        collection for collection in sorted(existing - foreign) if policy_covers(spec, collection)
    ]
    restoring = [
        collection
        for collection in covered
        if collection in entries and find_unfinished_restore(entries[collection])
    ]
    return PolicyStatus(
        settings.owner,
        name,
        spec,
        schedule_at(spec, job.client.server_time),
        collections=tuple(collection for collection in covered if collection not in restoring),
        destinations=(),
        restoring=tuple(restoring),
        existing=existing,
    )


def read_destinations(status: PolicyStatus, settings: Settings, job: JobContext) -> AppliedPolicy:
    """The policy with its destinations as read now."""
    destinations: list[DestinationStatus] = []
    stores: dict[str, Store] = {}
    sets: dict[tuple[str, str], SnapshotSet] = {}
    for url in status.spec["destination"]:
        try:
            stores[url] = store = _open_store(settings, job, status.name, url)
            sets_by_folder = {
                item.folder: item for item in list_sets(store, *_policy_folders(settings, status))
            }
        except QdrantctlError as error:
            destinations.append(DestinationStatus(url, error=error.line))
            stores.pop(url, None)
            continue
        zone, now = status.schedule.zone, job.client.server_time
        infos = (item.info for item in sets_by_folder.values())
        set_infos = tuple(with_retention(infos, status.spec["retention"], zone, now))
        destinations.append(DestinationStatus(url, set_infos))
        for info in set_infos:
            sets[url, info.folder] = replace(sets_by_folder[info.folder], kept_by=info.kept_by)
    return AppliedPolicy(replace(status, destinations=tuple(destinations)), stores, sets)


def _open_store(settings: Settings, job: JobContext, policy: str, url: str) -> Store:
    if url == CLUSTER:
        return ClusterStore(job, settings.nodes, settings.owners, policy)
    return open_store(url)


def _policy_folders(settings: Settings, status: PolicyStatus) -> tuple[str, ...]:
    """The folders of a policy's sets, under the current and previous owner names."""
    return tuple(set_folder(owner, status.name) for owner in settings.owners)
