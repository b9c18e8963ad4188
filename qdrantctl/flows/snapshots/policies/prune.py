"""The flow of `snapshots prune`: remove expired sets and sets named explicitly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.policies.backup import delete_server_copies
from qdrantctl.flows.snapshots.policies.progress import PolicyRun, as_stored_set
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_policies
from qdrantctl.flows.snapshots.sets.catalog import delete_set, list_sets
from qdrantctl.flows.snapshots.sets.registry import forget_set
from qdrantctl.model.errors import StoreError, UsageError
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet, set_folder
from qdrantctl.model.step import RemoveSet

_WORDS = 6
"""Of `PROJECT/ENVIRONMENT/CLUSTER/POLICY/COLLECTION/ID`."""


@dataclass(frozen=True, slots=True)
class PendingRemoval:
    """A set to remove."""

    policy: AppliedPolicy
    set: SnapshotSet
    has_server_copies: bool
    """Whether the servers have files of it that no destination needs any more."""

    def remove(self, job: JobContext) -> None:
        """Remove the set, its server copies first: only the set lists them.

        Raises QdrantctlError.
        """
        manifest = self.set.any_manifest
        if self.has_server_copies and manifest:
            delete_server_copies(manifest, job)
        delete_set(self.policy.stores[self.set.destination], self.set)
        if manifest and self.set.origin == "own" and not self._is_held():
            forget_set(job.client, manifest)

    def _is_held(self) -> bool:
        """Whether the set stands at some destination of its policy, as far as can be seen."""
        stores = (destination.store for destination in self.policy.stores.values())
        files = (name for store in stores for name in store.list_files(self.set.folder))
        return bool(self.policy.status.errors) or any(True for _ in files)


def plan_prune(
    settings: Settings, job: JobContext, only: tuple[str, ...], named: Sequence[str]
) -> tuple[list[PendingRemoval], list[SnapshotSet], tuple[str, ...]]:
    """The sets to remove, those removed only if named, and why expired ones are kept.

    Raises QdrantctlError.
    """
    removals: list[PendingRemoval] = []
    unnamed: list[SnapshotSet] = []
    folders = {name.rstrip("/") for name in named}
    policies = read_policies(settings, job, only)
    for policy in policies:
        for error in policy.status.errors:
            raise StoreError(error.removesuffix("."))
        removable = removable_sets(policy, folders)
        strangers = named_strangers(policy, folders)
        removals += (*removable.values(), *strangers)
        named_sets = {(removal.set.destination, removal.set.folder) for removal in strangers}
        unnamed += (
            snapshot_set
            for key, snapshot_set in policy.sets.items()
            if key not in removable and policy.status.needs_explicit_name(snapshot_set.info)
        )
        unnamed += (
            snapshot_set
            for snapshot_set in policy.strangers
            if (snapshot_set.destination, snapshot_set.folder) not in named_sets
        )
    if missing := folders - {removal.set.folder.rstrip("/") for removal in removals}:
        raise UsageError(
            f"no removable set {sorted(missing)[0]}",
            hint="`qdrantctl snapshots list` shows the folders of all sets.",
        )
    destinations = (where for policy in policies for where in policy.status.destinations)
    notices = (destination.removal_notice for destination in destinations)
    return removals, unnamed, tuple(filter(None, notices))


def named_strangers(policy: AppliedPolicy, folders: Collection[str]) -> list[PendingRemoval]:
    """The sets in these folders that are not known to be of this cluster.

    A folder contains the id of the cluster, so naming it is explicit. Server copies are kept: the
    ledger does not list them. Raises QdrantctlError.
    """
    found = {(item.destination, item.folder): item for item in policy.strangers}
    owned = {folder.rstrip("/") for _, folder in policy.sets}
    for folder in set(folders) - owned - {folder.rstrip("/") for _, folder in found}:
        words = folder.split("/")
        if len(words) == _WORDS and f"{folder}/".startswith(
            set_folder(policy.status.owner, words[2], policy.status.name)
        ):
            for destination in policy.stores.values():
                for item in list_sets(destination, f"{folder}/"):
                    if item.folder == f"{folder}/":
                        found[item.destination, item.folder] = item
    return [
        PendingRemoval(policy, item, has_server_copies=False)
        for (_, folder), item in found.items()
        if folder.rstrip("/") in folders
    ]


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
            policy,
            snapshot_set,
            not snapshot_set.taken_elsewhere
            and (
                url == CLUSTER
                or (snapshot_set.begun_manifest is not None and folder not in kept_folders)
            ),
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
