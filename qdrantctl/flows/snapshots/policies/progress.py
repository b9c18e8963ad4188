"""State shared by the steps of a policy's run: the policy and its results so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.engine.snapshots.policy_status import restoring_notice
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.partial_failure import collect_errors
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy, read_destinations
from qdrantctl.flows.snapshots.sets.registry import record_set
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Json
from qdrantctl.model.report import StoredSet
from qdrantctl.model.snapshots.snapshot_set import BEGUN_FILE, SetManifest, SnapshotSet


@dataclass(slots=True)
class RunProgress:
    """The results of a policy's run so far."""

    taken: list[StoredSet] = field(default_factory=list)
    removed: list[StoredSet] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)
    """Items by cause: a node that is down affects every collection."""

    @contextmanager
    def collect_errors(self, item: str) -> Iterator[list[str]]:
        """Collect errors about an item; the yielded list gets them too. Raises LeaseError."""
        with collect_errors(item) as errors:
            yield errors
        for line in errors:
            # Remove the item from the text, so that equal causes are grouped.
            cause = line.removeprefix(f"{item}: ").removeprefix(f"{item}: ")
            self.errors.setdefault(cause, []).append(item)

    @property
    def error(self) -> str:
        """All errors in one line, grouped by cause."""
        items_by_cause = {
            cause: ", ".join(dict.fromkeys(names)) for cause, names in self.errors.items()
        }
        return " ".join(
            f"{names}: {cause}" if names else cause for cause, names in items_by_cause.items()
        )


@dataclass(slots=True)
class PolicyRun:
    """The run of one policy."""

    policy: AppliedPolicy
    settings: Settings
    job: JobContext
    entries: Mapping[Address, Mapping[str, Json]]
    """The ledger's entries, by address."""
    progress: RunProgress = field(default_factory=RunProgress)
    is_out_of_date: bool = False
    """Whether a step has changed the destinations since the policy was read."""

    def __post_init__(self) -> None:
        status = self.policy.status
        for notice in (*status.errors, *map(restoring_notice, status.restoring)):
            self.progress.errors[notice] = [""]

    def entry(self, collection: str) -> Mapping[str, Json]:
        """The ledger's entry of a collection of this owner; empty if there is none."""
        entry = self.entries.get(Address("collection", collection), {})
        return entry if entry.get("owner") in self.settings.owners else {}

    def remember(self, manifest: SetManifest) -> None:
        """Have the ledger know a set as this cluster's own. Raises ClusterError."""
        folders = {folder for _, folder in self.policy.sets}
        identity = record_set(
            self.job.client,
            self.policy.identity,
            manifest,
            None if self.policy.status.errors else folders,
        )
        self.policy = replace(self.policy, identity=identity)

    def refresh(self) -> AppliedPolicy:
        """The policy, with its destinations read again if a step changed them."""
        if self.is_out_of_date:
            self.policy = read_destinations(
                self.policy.status, self.settings, self.job, self.policy.identity
            )
            self.is_out_of_date = False
        return self.policy


def as_stored_set(snapshot_set: SnapshotSet) -> StoredSet:
    """A set in the form used by reports."""
    manifest = snapshot_set.any_manifest
    return StoredSet(
        destination=snapshot_set.destination,
        folder=snapshot_set.folder,
        address=manifest.address if manifest else "",
        id=manifest.id if manifest else "",
        # Without the begun manifest, which is deleted together with the server copies.
        size=snapshot_set.size - snapshot_set.files.get(BEGUN_FILE, 0),
    )
