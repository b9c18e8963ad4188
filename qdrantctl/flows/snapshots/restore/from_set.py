"""The flow of `snapshots restore --from`: restore a collection from a set at a destination.

It needs no project, ledger or committed state: the set's manifest has all the information.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.engine.snapshots.set_choice import RestoreRequest, choose_set
from qdrantctl.flows.cluster.nodes import JobContext, collection_exists
from qdrantctl.flows.snapshots.restore.plan import (
    PlannedRestore,
    build_restore_plan,
    require_all_nodes,
    restore_step,
)
from qdrantctl.flows.snapshots.restore.target import TargetOptions, inspect_target
from qdrantctl.flows.snapshots.restore.upload import ByteSource
from qdrantctl.flows.snapshots.restore.versions import describe_origin_version, require_readable
from qdrantctl.flows.snapshots.sets.catalog import Destination, list_sets
from qdrantctl.flows.snapshots.sets.destination import cluster_destinations, open_destination
from qdrantctl.flows.snapshots.sets.registry import read_identity
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import NodeSnapshotFile, SnapshotRecord
from qdrantctl.model.snapshots.snapshot_set import SetInfo, SetManifest, SnapshotSet, node_file
from qdrantctl.model.step import Call


@dataclass(frozen=True, slots=True)
class SelectedSet:
    """A set and the store that holds it."""

    destination: Destination
    set: SnapshotSet
    manifest: SetManifest
    skipped: tuple[SetInfo, ...] = ()
    """Newer sets that are not complete, if no set was named by its id."""


def select_set(
    settings: Settings, job: JobContext, request: RestoreRequest, now: datetime
) -> SelectedSet:
    """The requested set. Raises QdrantctlError if it does not exist or is damaged."""
    identity = read_identity(settings, job.client, ledger.read_ledger(job.client))
    request = replace(request, this_cluster=identity.id)
    destinations = (
        cluster_destinations(settings, job)
        if request.url == CLUSTER
        else [open_destination(request.url, settings.signing)]
    )
    sets = [
        (destination, identity.with_origin(snapshot_set))
        for destination in destinations
        for snapshot_set in list_sets(destination, recorded=identity.recorded)
    ]
    choice = choose_set((snapshot_set.info for _, snapshot_set in sets), request, now)
    destination, selected = next(pair for pair in sets if pair[1].folder == choice.chosen.folder)
    assert selected.manifest  # only such sets are chosen
    return SelectedSet(destination, selected, selected.manifest, choice.skipped)


def plan_restore_from_set(
    settings: Settings,
    job: JobContext,
    selected: SelectedSet,
    options: TargetOptions,
    now: datetime,
) -> PlannedRestore:
    """Plan the restore of a set. Reads only. Raises QdrantctlError."""
    client, manifest = job.client, selected.manifest
    require_readable(manifest.snapshot, f"the set {manifest.id}", client.server)
    collection = manifest.snapshot.collection
    name = options.name or f"{collection}-restored-{now:%Y%m%d-%H%M%S}"
    target = inspect_target(settings, client, name, options, manifest.snapshot.aliases)
    record, source = assign_files_to_nodes(selected, client)
    nodes = job.nodes if client.server.peers > 1 else ()
    step = restore_step(collection, manifest.id, target, nodes)
    require_all_nodes(step, record, client)
    because = f"from {selected.destination.url}, taken {manifest.taken:%Y-%m-%d %H:%M} UTC: "
    because += f"{record.points:,} points, {record.size:,} bytes{_origin_words(selected)}"
    because += describe_origin_version(record, client.server)
    if selected.skipped:
        states = ", ".join(f"{info.id} is {info.state}" for info in selected.skipped)
        because += f"; {len(selected.skipped)} newer skipped: {states}"
    is_own_snapshot = manifest.owner in settings.owners and selected.set.origin == "own"
    ledger_contents = ledger.read_ledger(client)
    plan = build_restore_plan(
        settings,
        client,
        ledger_contents,
        target,
        record,
        step,
        because,
        is_own_snapshot=is_own_snapshot,
    )
    warning = _verdict_warning(selected.set)
    url = selected.destination.url
    listed = url == CLUSTER and collection_exists(client, record.object_name)
    return PlannedRestore(plan, step, record, target, listed, source, url, warning)


def _origin_words(selected: SelectedSet) -> str:
    """The cluster of a set, if it is not known to be this one."""
    match selected.set.origin:
        case "own" | None:
            return ""
        case "unknown":
            return ", of an unknown cluster"
        case "other":
            return f", of the cluster {selected.manifest.cluster}"
        case "unrecorded":
            return ", not recorded in the ledger of this cluster"


def _verdict_warning(snapshot_set: SnapshotSet) -> str:
    """The warning that the set failed a verification; empty if it did not."""
    verdict = snapshot_set.verified
    if verdict is None or verdict.good:
        return ""
    return (
        f"Warning: the set {snapshot_set.folder} failed its verification at "
        f"{verdict.when:%Y-%m-%d %H:%M} UTC ({snapshot_set.damage}). --ignore-verdict restores it "
        "anyway."
    )


def assign_files_to_nodes(
    selected: SelectedSet, client: Client
) -> tuple[SnapshotRecord, ByteSource]:
    """The set's files with nodes of this cluster assigned, and the source of their bytes.

    On another cluster than the set's own each file goes to a different node. Raises QdrantctlError
    if the cluster has too few nodes.
    """
    record = selected.manifest.snapshot
    peers = _node_names(client)
    names = [file.peer for file in record.files]
    if not set(names) <= set(peers):
        if len(names) > len(peers):
            raise QdrantctlError(
                f"the set {selected.manifest.id} has files of {len(names)} nodes, "
                f"{client.server.url} has {len(peers)}",
                hint="Restore it on a cluster with at least as many nodes.",
            )
        files = (
            f.model_copy(update={"peer": p}) for f, p in zip(record.files, peers, strict=False)
        )
        record = record.model_copy(update={"files": tuple(files)})
    source_nodes: Mapping[str, str] = {
        f.peer: name for f, name in zip(record.files, names, strict=True)
    }

    def source(file: NodeSnapshotFile, _: NodeClient) -> Iterator[bytes]:
        return selected.destination.store.read(
            selected.set.folder + node_file(source_nodes[file.peer])
        )

    return record, source


def _node_names(client: Client) -> list[str]:
    """The peer ids of all nodes; a placeholder id for a server without a cluster."""
    cluster = client.request(Call(method="GET", path="/cluster"))
    return sorted(cluster.get("peers") or {"0": {}})
