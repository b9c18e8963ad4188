"""Which sets of a destination are a cluster's own: what the ledger remembers says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from pydantic import ConfigDict, Field

from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.forms import Name, PeerId, SetTime
from qdrantctl.model.snapshots.snapshot_set import Origin, SetManifest, SnapshotSet


class RecordedSet(LazyModel):
    """A set that this very cluster has taken, as its ledger remembers it.

    What a destination says of a set is believed where this agrees with it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    collection: Name = Field(description="Name of the collection.")
    taken: SetTime = Field(description="When it was begun.")
    url: str = Field(description="Address under which the cluster was reached then.")
    process: str = Field(
        default="", description="Id that the server gave itself when it was started last."
    )
    files: Mapping[PeerId, Name] = Field(description="The servers' own files, by node.")

    @property
    def places(self) -> frozenset[str]:
        """What tells where it was taken. A copy of a cluster has neither of them in common."""
        return frozenset(filter(None, (self.url, self.process)))

    def describes(self, manifest: SetManifest) -> bool:
        """Whether a manifest is of this set."""
        return manifest.snapshot.collection == self.collection and manifest.file_names == self.files


@frozen
class ClusterIdentity:
    """What tells the sets of one cluster from those of others."""

    id: str = ""
    """From the ledger; empty where there is none."""
    recorded: Mapping[str, RecordedSet] = field(default_factory=dict)
    """The sets that the ledger remembers, by folder."""
    addresses: tuple[str, ...] = ()
    """Where the cluster is reached now: under the first one, and under others that are stated."""
    process: str = ""
    """Id that the server gave itself when it was started; empty where it does not tell."""

    @property
    def known_places(self) -> frozenset[str]:
        """Where it is or was reached.

        One server at two addresses is one place, and so is one address at which servers were
        started twice.
        """
        known = frozenset(filter(None, (*self.addresses, self.process)))
        while True:
            groups = (record.places for record in self.recorded.values())
            more = known.union(*(group for group in groups if group & known))
            if more == known:
                return known
            known = more

    def with_origin(self, snapshot_set: SnapshotSet) -> SnapshotSet:
        """The set with what it is to this cluster."""
        manifest = snapshot_set.any_manifest
        if manifest is None:  # it stands in a folder of this cluster, and says no more
            return replace(snapshot_set, origin="own")
        record = self.recorded.get(manifest.folder)
        return replace(
            snapshot_set,
            origin=self._origin(manifest, snapshot_set.destination),
            taken_elsewhere=snapshot_set.destination != CLUSTER
            and record is not None
            and not record.places & self.known_places,
        )

    def _origin(self, manifest: SetManifest, destination: str) -> Origin:
        if destination == CLUSTER:  # it is known from the ledger, and from nowhere else
            return "own"
        if not manifest.cluster:
            return "unknown"
        if manifest.cluster != self.id:
            return "other"
        record = self.recorded.get(manifest.folder)
        return "own" if record and record.describes(manifest) else "unrecorded"
