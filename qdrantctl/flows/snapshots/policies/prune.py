"""The flow of `snapshots prune`: remove expired sets and sets named explicitly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.stores.store import Store
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.policies.backup import delete_server_copies
from qdrantctl.flows.snapshots.policies.progress import PolicyRun, as_stored_set
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.snapshots.sets.catalog import delete_set
from qdrantctl.model.errors import StoreError, UsageError
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.model.step import RemoveSet


@dataclass(frozen=True, slots=True)
class PendingRemoval:
    """A set to remove."""

    store: Store
    set: SnapshotSet
    has_server_copies: bool
    """Whether the servers have files of it that no destination needs any more."""

    def remove(self, job: JobContext) -> None:
        """Remove the set, its server copies first: only the set lists them.

        Raises QdrantctlError.
        """
        if self.has_server_copies and (manifest := self.set.any_manifest):
            delete_server_copies(manifest, job)
        delete_set(self.store, self.set)


def plan_prune(
    settings: Settings, job: JobContext, only: tuple[str, ...], named: Sequence[str]
) -> tuple[list[PendingRemoval], list[SnapshotSet]]:
    """The sets to remove, and those removed only if named. Raises QdrantctlError."""
    removals: list[PendingRemoval] = []
    unnamed: list[SnapshotSet] = []
    folders = {name.rstrip("/") for name in named}
    for policy in read_policies(settings, job, only):
        for error in policy.status.errors:
            raise StoreError(error.removesuffix("."))
        removable = removable_sets(policy, folders)
        removals += removable.values()
        unnamed += (
            snapshot_set
            for key, snapshot_set in policy.sets.items()
            if key not in removable and policy.status.needs_explicit_name(snapshot_set.info)
        )
    if missing := folders - {removal.set.folder.rstrip("/") for removal in removals}:
        raise UsageError(
            f"no removable set {sorted(missing)[0]}",
            hint="`qdrantctl snapshots list` shows the folders of all sets.",
        )
    return removals, unnamed


def removable_sets(
    policy: AppliedPolicy, named: Collection[str] = ()
) -> dict[tuple[str, str], PendingRemoval]:
    """Expired and explicitly named sets, by destination and folder."""
    status = policy.status
    expired = {(destination.url, snapshot_set.folder) for destination in status.destinations
               for snapshot_set in status.expired_sets(destination)}  # fmt: skip
    removed = {
        key: snapshot_set
        for key, snapshot_set in policy.sets.items()
        if key in expired
        or (
            snapshot_set.folder.rstrip("/") in named
            and status.needs_explicit_name(snapshot_set.info)
        )
    }
    kept_folders = {folder for url, folder in policy.sets.keys() - removed.keys()}
    return {
        (url, folder): PendingRemoval(
            policy.stores[url],
            snapshot_set,
            url == CLUSTER
            or (snapshot_set.begun_manifest is not None and folder not in kept_folders),
        )
        for (url, folder), snapshot_set in removed.items()
    }


def remove_sets(removals: Sequence[PendingRemoval], job: JobContext) -> None:
    """Remove sets, until cancelled. Raises QdrantctlError."""
    for removal in removals:
        job.raise_if_cancelled()
        removal.remove(job)


def remove_set(step: RemoveSet, run: PolicyRun) -> None:
    """Remove the set of a step, unless retention keeps it after all.

    Retention keeps it if the set that was to replace it could not be taken.
    """
    removal = removable_sets(run.refresh()).get((step.destination, step.folder))
    if removal is None or (step.unless_finished and removal.set.state != "unfinished"):
        return
    manifest = removal.set.any_manifest
    with run.progress.collect_errors(manifest.address if manifest else ""):
        run.job.raise_if_cancelled()
        address = run.policy.status.address
        run.job.report_progress(f"{address}: removing {step.folder} from {step.destination}")
        removal.remove(run.job)
        run.progress.removed.append(as_stored_set(removal.set))
