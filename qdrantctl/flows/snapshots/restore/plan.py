"""The flow of `snapshots restore`: a plan of one collection and its aliases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import collection_exists, connect_nodes
from qdrantctl.flows.snapshots import placeholder as stand_in
from qdrantctl.flows.snapshots.restore.target import RestoreTarget, TargetOptions, inspect_target
from qdrantctl.flows.snapshots.restore.upload import ByteSource, FileSource
from qdrantctl.flows.state.desired import DesiredState
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import ClusterError, QdrantctlError, UsageError
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.resource import Inventory
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import SnapshotRecord, find_unfinished_restore
from qdrantctl.model.snapshots.snapshot import recorded_snapshots as known_snapshots
from qdrantctl.model.step import Call, Restore, Snapshot, Step, collection_path


@dataclass(frozen=True, slots=True)
class PlannedRestore:
    """A restore that is planned."""

    plan: Plan
    step: Restore
    record: SnapshotRecord
    target: RestoreTarget
    """The existing resources of the new name, and what must exist again."""
    listed: bool
    """Whether a collection of the old name exists."""
    source: ByteSource | None = None
    """Where the bytes come from; None where they are the ledger's snapshot."""
    url: str = ""
    """What that destination is called."""
    warning: str = ""
    """That the set failed a verification, where the operator wants it all the same."""

    @property
    def address(self) -> Address:
        """What is made."""
        return self.target.address

    @property
    def files(self) -> FileSource:
        """Where its files are."""
        is_on_servers = self.source is None or self.url == CLUSTER
        return FileSource(self.source, is_on_servers=is_on_servers, is_listed=self.listed)

    @property
    def approved(self) -> object:
        """All that must still hold when it is carried out; points may come meanwhile."""
        return [change.model_copy(update={"because": ""}) for change in self.plan.changes]


def plan_restore_from_ledger(
    settings: Settings, client: NodeClient, reference: str, options: TargetOptions, now: datetime
) -> PlannedRestore:
    """What restoring `words` (`collection/NAME` or `collection/NAME@ID`) would do. Reads only.

    Raises QdrantctlError where there is no such snapshot, or the name is taken.
    """
    contents = ledger.read_ledger(client)
    address, taken = _find_snapshot(contents, settings, reference)
    name = options.name or f"{address.name}-restored-{now:%Y%m%d-%H%M%S}"
    marks = filter(None, (find_unfinished_restore(entry) for entry in contents.entries.values()))
    has_placeholder_mark = any(mark.stand_in and mark.collection == address.name for mark in marks)
    listed = collection_exists(client, address.name) and not (
        has_placeholder_mark and stand_in.is_one(client, address.name)
    )
    if name == address.name and stand_in.placeholder_needed(client.server):
        raise stand_in.unreadable_error(client.server, address)
    target = inspect_target(settings, client, name, options, taken.aliases)
    nodes = settings.nodes if client.server.peers > 1 else ()
    step = Restore(collection=address.name, snapshot=taken.id, name=name, nodes=nodes)
    require_all_nodes(step, taken, client)
    points = "1 point" if taken.points == 1 else f"{taken.points:,} points"
    because = f"from {address}@{taken.id}: {points}, {taken.size:,} bytes"
    plan = build_restore_plan(settings, client, contents, target, taken, step, because)
    return PlannedRestore(plan, step, taken, target, listed)


def require_all_nodes(step: Restore, record: SnapshotRecord, client: NodeClient) -> None:
    """Raises ClusterError where a node is not reached that a file is for."""
    peers = frozenset(file.peer for file in record.files)
    try:
        with connect_nodes(client, step.nodes, peers, f"snapshot {record.id}"):
            pass
    except ClusterError as error:
        error.hint = f"{error.hint} Beside --url name each with --node."
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
    ours: bool = True,
) -> Plan:
    """A plan of one collection and its aliases. `ours` says that this owner took the snapshot."""
    steps, prepare, live = [Step(restore=step)], tuple[Step, ...](), target.live
    if live:
        held = live.facts.points
        because += f"; in place of one with {'unknown' if held is None else f'{held:,}'} points"
        snapshot = Snapshot(collection=step.name, nodes=step.nodes)
        down = Call(method="DELETE", path=collection_path(step.name))
        steps = [Step(snapshot=snapshot), Step(call=down), *steps]
        if not contents.exists:  # which must know of the snapshot
            prepare = (Step(call=ledger.ledger_creation_request(client.server)),)
    change = Change(
        address=str(target.address),
        action=Action.REPLACE if live else Action.CREATE,
        cause=Cause.NEW,
        because=because,
        uuid=live.facts.uuid if live and live.facts.uuid else ABSENT,
        steps=tuple(steps),
        record=target.record(record if ours else None) if target.is_ours else ABSENT,
    )
    return Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(client.server, contents.cluster_id),
        manifests_digest=DesiredState(Inventory(), ()).digest,
        prepare=prepare,
        changes=(change, *target.moves()),
    )


def _find_snapshot(
    contents: ledger.LedgerContents, settings: Settings, reference: str
) -> tuple[Address, SnapshotRecord]:
    """Whose snapshot is meant, and which: without an id the latest. Raises QdrantctlError."""
    name, at, mark = reference.rpartition("@")
    for text, wanted in ((reference, ""), (name, mark)) if at else ((reference, ""),):
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
            known = {taken.id: taken for taken in known_snapshots(entry)}
        except ValueError:
            raise QdrantctlError(f"the ledger's entry of {address} cannot be read") from None
        if known and (wanted or list(known)[-1]) in known:
            return address, known[wanted or list(known)[-1]]
    raise QdrantctlError(
        f"the ledger knows no snapshot {reference}",
        hint="`qdrantctl snapshots list` shows the existing ones.",
    )
