"""The flow of `snapshots restore`: a plan of one collection and its aliases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.engine.planning.replacement import fields_of_restore
from qdrantctl.flows.cluster.nodes import collection_exists, connect_nodes
from qdrantctl.flows.snapshots import placeholder
from qdrantctl.flows.snapshots.restore.target import RestoreTarget, TargetOptions, inspect_target
from qdrantctl.flows.snapshots.restore.upload import ByteSource, FileSource
from qdrantctl.flows.snapshots.restore.versions import describe_origin_version, require_readable
from qdrantctl.flows.state.desired import DesiredState
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import ClusterError, QdrantctlError, UsageError
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import SnapshotRecord, find_unfinished_restore
from qdrantctl.model.snapshots.snapshot import recorded_snapshots as known_snapshots
from qdrantctl.model.step import Call, Restore, Snapshot, Step, collection_path


@dataclass(frozen=True, slots=True)
class PlannedRestore:
    """The plan of a restore, and the data to execute it."""

    plan: Plan
    step: Restore
    record: SnapshotRecord
    target: RestoreTarget
    """The existing resources under the new name, and the aliases to recreate."""
    listed: bool
    """Whether a collection with the original name exists, so that its snapshots are listed."""
    source: ByteSource | None = None
    """Source of the bytes; None for a snapshot recorded in the ledger."""
    url: str = ""
    """URL of the destination; empty for a snapshot recorded in the ledger."""
    warning: str = ""
    """The warning that the set failed a verification, which the operator wants to ignore."""

    @property
    def address(self) -> Address:
        """Address of the new collection."""
        return self.target.address

    @property
    def replaces_origin(self) -> bool:
        """Whether the new collection gets the name on the cluster that the snapshot is under."""
        return self.step.object_name == self.record.object_name

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in their order."""
        plan = self.plan
        return (*plan.prepare, *(step for change in plan.changes for step in change.steps))

    @property
    def files(self) -> FileSource:
        """The source of its files."""
        is_on_servers = self.source is None or self.url == CLUSTER
        return FileSource(
            self.source,
            is_on_servers=is_on_servers,
            is_listed=self.listed,
            needs_own_disk=is_on_servers and self.replaces_origin,
        )

    @property
    def approved(self) -> object:
        """The approved changes, which must be unchanged at execution.

        The reason (`because`) is ignored: it counts points, which may change meanwhile.
        """
        return [change.model_copy(update={"because": ""}) for change in self.plan.changes]


def plan_restore_from_ledger(
    settings: Settings, client: NodeClient, reference: str, options: TargetOptions, now: datetime
) -> PlannedRestore:
    """Plan the restore of `reference` (`collection/NAME` or `collection/NAME@ID`). Reads only.

    Raises QdrantctlError if there is no such snapshot, or if the new name is in use.
    """
    contents = ledger.read_ledger(client)
    address, record = _find_snapshot(contents, settings, reference)
    require_readable(record, f"the snapshot {address}@{record.id}", client.server)
    name = options.name or f"{address.name}-restored-{now:%Y%m%d-%H%M%S}"
    marks = filter(None, (find_unfinished_restore(entry) for entry in contents.entries.values()))
    has_placeholder_mark = any(
        restore.stand_in and restore.collection == address.name for restore in marks
    )
    listed = collection_exists(client, record.object_name) and not (
        has_placeholder_mark and placeholder.is_placeholder(client, record.object_name)
    )
    target = inspect_target(settings, client, name, options, record.aliases)
    nodes = settings.nodes if client.server.peers > 1 else ()
    step = restore_step(address.name, record.id, target, nodes)
    require_all_nodes(step, record, client)
    points = "1 point" if record.points == 1 else f"{record.points:,} points"
    because = f"from {address}@{record.id}: {points}, {record.size:,} bytes"
    because += describe_origin_version(record, client.server)
    plan = build_restore_plan(settings, client, contents, target, record, step, because)
    return PlannedRestore(plan, step, record, target, listed)


def restore_step(
    collection: str, snapshot: str, target: RestoreTarget, nodes: tuple[str, ...]
) -> Restore:
    """The step that restores a snapshot of a collection at a target."""
    return Restore(
        collection=collection,
        snapshot=snapshot,
        name=target.address.name,
        object=target.names.by_address.get(target.address, ABSENT),
        nodes=nodes,
    )


def require_all_nodes(step: Restore, record: SnapshotRecord, client: NodeClient) -> None:
    """Raises ClusterError if the node of a file cannot be reached."""
    peers = frozenset(file.peer for file in record.files)
    try:
        with connect_nodes(client, step.nodes, peers, f"snapshot {record.id}"):
            pass
    except ClusterError as error:
        error.hint = f"{error.hint} With --url, name each node with --node."
        raise


def build_restore_plan(
    settings: Settings,
    client: Client,
    contents: ledger.LedgerContents,
    target: RestoreTarget,
    record: SnapshotRecord,
    step: Restore,
    because: str,
    *,
    is_own_snapshot: bool = True,
) -> Plan:
    """The plan of one collection and its aliases.

    `is_own_snapshot` states that this owner took the snapshot.
    """
    steps, prepare, live = [Step(restore=step)], tuple[Step, ...](), target.live
    if live:
        points = live.facts.points
        because += f"; replaces one with {'unknown' if points is None else f'{points:,}'} points"
        snapshot = Snapshot(collection=step.name, nodes=step.nodes)
        deletion = Call(method="DELETE", path=collection_path(target.object_name))
        steps = [Step(snapshot=snapshot), Step(call=deletion), *steps]
        if not contents.exists:  # the ledger records the snapshot
            prepare = (Step(call=ledger.ledger_creation_request(client.server)),)
    change = Change(
        address=str(target.address),
        action=Action.REPLACE if live else Action.CREATE,
        cause=Cause.NEW,
        because=because,
        uuid=live.facts.uuid or ABSENT if live else ABSENT,
        created_at=live.facts.created_at or ABSENT if live else ABSENT,
        fields=_lost_settings(live, record, client.server),
        steps=tuple(steps),
        record=target.record(record if is_own_snapshot else None) if target.is_managed else ABSENT,
    )
    return Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(client.server, contents.cluster_id),
        manifests_digest=DesiredState(Inventory(), ()).digest,
        prepare=prepare,
        changes=(change, *target.alias_changes()),
    )


def _lost_settings(
    live: Resource | None, record: SnapshotRecord, server: Server
) -> tuple[FieldChange, ...]:
    """What the replaced collection has beyond the snapshot; none if nothing is known of that."""
    if live is None or not record.spec:
        return ()
    return fields_of_restore(record.spec, live, BY_NAME[live.address.kind], server)


def _find_snapshot(
    contents: ledger.LedgerContents, settings: Settings, reference: str
) -> tuple[Address, SnapshotRecord]:
    """The collection and the snapshot; without an id the latest one. Raises QdrantctlError."""
    name, separator, snapshot_id = reference.rpartition("@")
    for text, requested_id in (
        ((reference, ""), (name, snapshot_id)) if separator else ((reference, ""),)
    ):
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise UsageError(str(error), hint="As in collection/products@ID.") from None
        entry = contents.entries.get(address)
        if entry is None:
            continue
        if entry["owner"] not in settings.owners:
            raise QdrantctlError(f"{address} is owned by {entry['owner']}, not {settings.owner}")
        try:
            records = {record.id: record for record in known_snapshots(entry)}
        except ValueError:
            raise QdrantctlError(f"the ledger's entry of {address} cannot be read") from None
        if records and (requested_id or list(records)[-1]) in records:
            return address, records[requested_id or list(records)[-1]]
    raise QdrantctlError(
        f"the ledger has no snapshot {reference}",
        hint="`qdrantctl snapshots list` lists all snapshots.",
    )
