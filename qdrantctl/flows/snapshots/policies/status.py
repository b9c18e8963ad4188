"""The policies that an owner has applied, and the sets at their destinations. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.project.snapshot_signing import fetch_signing_keys
from qdrantctl.adapters.stores.store import open_store
from qdrantctl.engine.snapshots.clocks import Clocks, clock_disagreement
from qdrantctl.engine.snapshots.policy_status import (
    KIND,
    DestinationStatus,
    PolicyStatus,
    policy_covers,
)
from qdrantctl.engine.snapshots.retention import with_retention
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.sets.catalog import Destination, list_folders, read_sets
from qdrantctl.flows.snapshots.sets.cluster_store import ClusterStore
from qdrantctl.flows.snapshots.sets.registry import read_identity
from qdrantctl.flows.state.desired import load_desired_state
from qdrantctl.flows.state.live import read_object_names, read_recorded_resources
from qdrantctl.kinds.cron_schedule import schedule_at
from qdrantctl.model.address import Address
from qdrantctl.model.client import NodeClient
from qdrantctl.model.errors import QdrantctlError, UsageError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.forms import is_cluster_id
from qdrantctl.model.snapshots.identity import ClusterIdentity
from qdrantctl.model.snapshots.snapshot import find_unfinished_restore
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, set_folder
from qdrantctl.model.step import Call


@frozen
class AppliedPolicy:
    """A policy with its opened destinations and their sets."""

    status: PolicyStatus
    identity: ClusterIdentity
    stores: Mapping[str, Destination] = field(default_factory=dict)
    """Readable destinations, by URL."""
    sets: Mapping[tuple[str, str], SnapshotSet] = field(default_factory=dict)
    """The cluster's own sets by URL and folder; oldest first for each collection and
    destination."""
    strangers: tuple[SnapshotSet, ...] = ()
    """Other sets in the folders of the policy."""


def list_policy_sets(
    settings: Settings, job: JobContext
) -> tuple[tuple[SnapshotSet, ...], tuple[str, ...]]:
    """All sets of all policies, and errors about unreadable destinations.

    Raises ClusterError.
    """
    policies = read_policies(settings, job)
    sets = tuple(
        snapshot_set
        for policy in policies
        for snapshot_set in (*policy.strangers, *policy.sets.values())
    )
    statuses = [policy.status for policy in policies]
    notices = {
        notice
        for status in statuses
        for where in status.destinations
        if (notice := where.sharing_notice(status.owner))
    }
    return sets, (*(error for status in statuses for error in status.errors), *sorted(notices))


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
    names = read_object_names(ledger_contents)
    addresses = (names.find_address(entry["name"]) for entry in listed)
    existing = frozenset(address.name for address in addresses if address)
    identity = read_identity(settings, job.client, ledger_contents)
    return [
        read_destinations(
            _policy_status(settings, name, spec, existing, entries, job), settings, job, identity
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
        restored=dict(_list_restores(entries)),
    )


def _list_restores(entries: Mapping[str, Mapping[str, Json]]) -> Iterator[tuple[str, datetime]]:
    """When each collection was restored beside another one, as far as the ledger tells."""
    for name, entry in entries.items():
        with suppress(KeyError, ValueError):
            yield name, datetime.fromisoformat(str(entry["restored_at"]))


def read_destinations(
    status: PolicyStatus, settings: Settings, job: JobContext, identity: ClusterIdentity
) -> AppliedPolicy:
    """The policy with its destinations as read now. Raises ClusterError."""
    destinations: list[DestinationStatus] = []
    stores: dict[str, Destination] = {}
    sets: dict[tuple[str, str], SnapshotSet] = {}
    strangers: list[SnapshotSet] = []
    clocks = read_clocks(job.client)
    for url in status.spec["destination"]:
        try:
            stores[url] = destination = _open_destination(settings, job, status.name, url)
            found = _list_policy_sets(destination, settings, status, identity)
        except QdrantctlError as error:
            destinations.append(DestinationStatus(url, error=error.line))
            stores.pop(url, None)
            continue
        own = {item.folder: item for item in found.sets if item.origin == "own"}
        others = [item for item in found.sets if item.origin != "own"]
        zone = status.schedule.zone
        infos = [item.info for item in own.values()]
        kept = tuple(with_retention(infos, status.spec["retention"], zone, clocks.server))
        where = DestinationStatus(
            url,
            kept,
            strangers=tuple(item.info for item in others),
            other_clusters=found.other_clusters,
            clock_disagreement=clock_disagreement(clocks, infos, status.schedule),
        )
        destinations.append(where)
        strangers += others
        for info in kept:
            sets[url, info.folder] = replace(own[info.folder], kept_by=info.kept_by)
    status = replace(status, destinations=tuple(destinations))
    return AppliedPolicy(status, identity, stores, sets, tuple(strangers))


def read_clocks(client: NodeClient) -> Clocks:
    """What the clocks of the server and of this machine say now. Raises ClusterError."""
    client.request(Call(method="GET", path="/"))
    return Clocks(client.server_time, datetime.now(UTC))


def _open_destination(settings: Settings, job: JobContext, policy: str, url: str) -> Destination:
    keys = fetch_signing_keys(settings.signing)
    if url == CLUSTER:
        return Destination(ClusterStore(job, settings.nodes, settings.owners, policy), keys)
    return Destination(open_store(url), keys)


class PolicySets(NamedTuple):
    """What a destination holds for a policy."""

    sets: Sequence[SnapshotSet]
    """With what they are to this cluster, the oldest first."""
    other_clusters: tuple[str, ...]
    """Ids of other clusters of which the same owner has sets there."""


def _list_policy_sets(
    destination: Destination, settings: Settings, status: PolicyStatus, identity: ClusterIdentity
) -> PolicySets:
    """The sets of a policy, under every name of its owner. Raises QdrantctlError.

    Of the sets of other clusters only the names are looked at.
    """
    folders: dict[str, dict[str, int]] = {}
    others: set[str] = set()
    for owner in settings.owners:
        above = set_folder(owner)
        mine = (set_folder(owner, identity.id, status.name), set_folder(owner, status.name))
        listed = list_folders(destination, above, recorded=identity.recorded)
        for folder, files in listed.items():
            cluster = folder.removeprefix(above).partition("/")[0]
            if folder.startswith(mine) or "" in files:
                folders[folder] = files
            elif is_cluster_id(cluster) and cluster != identity.id:
                others.add(cluster)
    sets = [identity.with_origin(item) for item in read_sets(destination, folders)]
    return PolicySets(sets, tuple(sorted(others)))
