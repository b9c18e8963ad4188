"""The flow of `upgrade-check`: what a newer server changes for a project. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from qdrantctl import __version__
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.ledger import LedgerContents
from qdrantctl.engine.upgrading.findings import find_upgrade_findings
from qdrantctl.engine.upgrading.inputs import StoredSnapshot, UpgradeInput, VersionTable
from qdrantctl.engine.upgrading.order import upgrade_steps
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.planning.plan import PlanOptions, compute_changes
from qdrantctl.flows.snapshots.policies.status import list_policy_sets
from qdrantctl.flows.snapshots.restore.versions import find_obstacles
from qdrantctl.flows.state.desired import DesiredState, load_desired_state
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state
from qdrantctl.kinds import version_changes
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.change import Change
from qdrantctl.model.errors import UsageError
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import UNKNOWN, Server, Version
from qdrantctl.model.snapshots.snapshot import recorded_snapshots
from qdrantctl.model.upgrade import UpgradeReport
from qdrantctl.model.violation import Severity

_TABLE = VersionTable(
    version_changes.VERSION_CHANGES,
    version_changes.NEWEST_PATCHES,
    version_changes.CONVERTS_ROCKSDB,
    version_changes.WITHOUT_ROCKSDB,
)


@dataclass(frozen=True, slots=True)
class UpgradeOptions:
    """Options of an upgrade check."""

    target: Version
    fail_on: Severity


@dataclass(frozen=True, slots=True)
class _Snapshots:
    """The snapshots that were found, and why others were not."""

    stored: tuple[StoredSnapshot, ...] = ()
    unread: tuple[str, ...] = ()


def require_known_target(text: str) -> Version:
    """The version to upgrade to. Raises UsageError for one whose changes are not known."""
    first, last = version_changes.TARGETS
    known = f"{first.major}.{first.minor} to {last.major}.{last.minor}"
    try:
        version = Version.parse(text)
    except ValueError as error:
        raise UsageError(f"--to: {error}", hint="As in --to 1.19.0.") from None
    if not first <= version or version[:2] > last[:2]:
        raise UsageError(
            f"--to {version}: it is not known what this version changes",
            hint=f"This version of qdrantctl knows {known}.",
        )
    return version


def check_manifests_for_upgrade(
    settings: Settings, options: UpgradeOptions, current: Version, today: date
) -> UpgradeReport:
    """The report for the manifests alone: no server is read. Raises ManifestError, UsageError."""
    state = ClusterState(Inventory(), Inventory(), LedgerContents())
    server = Server(current, "")
    desired_state = load_desired_state(settings)
    return _report(settings, options, server, desired_state, state, _Snapshots(), today)


def check_upgrade(
    settings: Settings,
    options: UpgradeOptions,
    client: RestClient,
    today: date,
    progress: Progress,
) -> UpgradeReport:
    """The report for manifests, ledger, live cluster and snapshots.

    Raises ManifestError, ClusterError, UsageError.
    """
    progress("reading manifests")
    desired_state = (
        load_desired_state(settings) if settings.manifests else DesiredState(Inventory(), ())
    )
    progress(f"connecting to {client.server.url}")
    state = read_cluster_state(client, desired_state.inventory, progress, settings.owners)
    progress("reading snapshots")
    snapshots = _read_snapshots(settings, client, state)
    return _report(settings, options, client.server, desired_state, state, snapshots, today)


def _report(
    settings: Settings,
    options: UpgradeOptions,
    server: Server,
    desired_state: DesiredState,
    state: ClusterState,
    snapshots: _Snapshots,
    today: date,
) -> UpgradeReport:
    if options.target < server.version:
        raise UsageError(
            f"--to {options.target} is older than the server, which is {server.version}",
            hint="Qdrant does not support going back: restore snapshots on the older version.",
        )
    target = replace(server, version=options.target, newest=UNKNOWN, untold=0)
    inputs = UpgradeInput(
        current=server,
        target=target,
        desired=desired_state.inventory,
        live=state.live,
        recorded=state.remembered,
        snapshots=tuple(with_obstacles(snapshot, target) for snapshot in snapshots.stored),
        plan_for=partial(_plan_for, settings, desired_state, state, today),
        kinds=BY_NAME,
        table=_TABLE,
        today=today,
        unread=snapshots.unread,
    )
    return UpgradeReport(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        url=server.url,
        current=str(server.version),
        target=str(options.target),
        steps=upgrade_steps(inputs),
        examined={
            "manifests": len(desired_state.inventory),
            "live": len(state.live),
            "recorded": len(state.remembered),
            "snapshots": len(snapshots.stored),
        },
        fail_on=options.fail_on,
        findings=find_upgrade_findings(inputs),
    )


def with_obstacles(snapshot: StoredSnapshot, target: Server) -> StoredSnapshot:
    """The snapshot with why the target does not restore it, as a restore would say it there."""
    obstacles = find_obstacles(snapshot.record, target)
    return replace(snapshot, obstacles=tuple((each.problem, each.hint) for each in obstacles))


def _plan_for(
    settings: Settings,
    desired_state: DesiredState,
    state: ClusterState,
    today: date,
    server: Server,
) -> tuple[Change, ...]:
    """The changes that a plan of these states makes on a server."""
    return compute_changes(settings, PlanOptions(), desired_state, state, server, today)[0]


def _read_snapshots(settings: Settings, client: RestClient, state: ClusterState) -> _Snapshots:
    """The snapshots in the ledger, and the sets of policies. Raises ClusterError."""
    stored: list[StoredSnapshot] = []
    unread: list[str] = []
    for address, entry in state.ledger.entries.items():
        try:
            stored += [StoredSnapshot("", record) for record in recorded_snapshots(entry)]
        except ValueError:
            unread.append(f"the ledger's entry of {address} cannot be read")
    job = JobContext(client, lambda _: None, lambda: False, settings.nodes)
    sets, errors = list_policy_sets(settings, job)
    for snapshot_set in sets:
        if manifest := snapshot_set.any_manifest:
            stored.append(StoredSnapshot(snapshot_set.destination, manifest.snapshot))
    return _Snapshots(tuple(stored), (*unread, *errors))
