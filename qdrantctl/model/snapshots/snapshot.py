"""Safety snapshots and unfinished restores, as the ledger records them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.snapshots.forms import (
    Checksum,
    Count,
    Name,
    PeerId,
    SetId,
    ShardId,
    VersionText,
)


class NodeSnapshotFile(LazyModel):
    """The snapshot file of one node, which contains only the shards of that node."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    peer: PeerId = Field(description="The node, by its peer id.")
    name: Name = Field(description="Name of the file.")
    size: Count = Field(description="Bytes.")
    checksum: Checksum = Field(description="sha256 of the file, read back after it was written.")
    shards: Mapping[ShardId, tuple[Count, Count]] = Field(
        description="Points of each shard that was active, before and after it was written; those "
        "within may be fewer or more if points were written meanwhile."
    )


class SnapshotRecord(LazyModel):
    """A collection snapshot on every node that held shards of it."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    id: SetId = Field(description="When it was taken, by the clock of the first node.")
    collection: Name = Field(description="Name of the collection, as in its address.")
    object: Name | MISSING = Field(
        default=ABSENT, description="Its name on the cluster, if that was another one."
    )
    server: VersionText = Field(description="Version of the server.")
    aliases: tuple[str, ...] = Field(
        description="Its aliases at that time, which snapshots do not contain."
    )
    spec: Mapping[str, Json] = Field(description="Its settings at that time.")
    keys: tuple[tuple[str | Count, tuple[ShardId, ...]], ...] = Field(
        default=(), description="Shard keys, each with its shards."
    )
    files: tuple[NodeSnapshotFile, ...] = Field(description="One for each node.")
    manifest: Mapping[str, Json] = Field(
        default_factory=dict, description="Its last-applied spec; empty if it was never applied."
    )
    schema_version: Count = Field(
        default=0, description="That of the last-applied spec; 0 for none."
    )
    quiet: bool = Field(
        default=False,
        description="Whether no write was answered while it was taken: then it holds the points "
        "that were counted, and else it may hold others.",
    )
    unsettled: tuple[str, ...] = Field(
        default=(), description="Settings that changed while it was taken."
    )

    def of(self, entry: Mapping[str, Json]) -> SnapshotRecord:
        """A copy with the last-applied spec of a ledger entry."""
        if entry.get("deleted") or not entry.get("spec"):
            return self
        version = int(entry.get("schema_version") or 0)
        return self.model_copy(update={"manifest": entry["spec"], "schema_version": version})

    @property
    def object_name(self) -> str:
        """The collection's name on the cluster when it was taken; its files are under it."""
        return self.object if isinstance(self.object, str) else self.collection

    @property
    def shards(self) -> Mapping[int, tuple[int, int]]:
        """The fewest and the most points of each shard, over all its replicas."""
        result: dict[int, tuple[int, int]] = {}
        for file in self.files:
            for shard, (low, high) in file.shards.items():
                least, most = result.get(shard, (low, high))
                result[shard] = (min(least, low, high), max(most, low, high))
        return result

    @property
    def points(self) -> int:
        """Points of the whole collection, replicas counted once."""
        return sum(most for _, most in self.shards.values())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def replicas(self) -> frozenset[tuple[int, str]]:
        """Each shard with each node that holds a replica of it."""
        return frozenset((shard, file.peer) for file in self.files for shard in file.shards)


def recorded_snapshots(entry: Mapping[str, Json]) -> Iterator[SnapshotRecord]:
    """The snapshots of a ledger entry, oldest first. Raises ValueError."""
    for document in entry.get("snapshots") or ():
        yield SnapshotRecord.model_validate(document)


def restore_command(address: Address | str, snapshot: str = "", environment: str = "") -> str:
    """The command that restores a snapshot, or the latest one without an id."""
    target = f"{address}@{snapshot}" if snapshot else str(address)
    env_option = f" -e {shlex.quote(environment)}" if environment not in ("", "-") else ""
    return f"qdrantctl snapshots restore {shlex.quote(target)}{env_option}"


class UnfinishedRestore(LazyModel):
    """An unfinished restore, as the ledger entry of the restored collection records it."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    collection: str = Field(description="Name of the collection that the snapshot is of.")
    snapshot: str = Field(description="Its id.")
    source: str = Field(
        default="", description="The destination that stores it; empty for the servers."
    )
    aliases: tuple[str, ...] = Field(
        default=(), description="Aliases of the replaced collection that are not restored yet."
    )
    replaced: str = Field(
        default="", description="Id of the replaced collection's snapshot; empty for none."
    )
    stand_in: bool = Field(
        default=False, description="Whether an empty placeholder collection may exist."
    )
    who: str = Field(default="", description="Who started it.")
    when: str = Field(default="", description="When.")

    def resume_command(self, name: str, environment: str) -> str:
        """The command that runs the restore again."""
        source_option = f" --from {shlex.quote(self.source)}" if self.source else ""
        command = restore_command(f"collection/{self.collection}", self.snapshot, environment)
        return f"{command}{source_option} --as {shlex.quote(name)}"


def find_unfinished_restore(entry: Mapping[str, Json]) -> UnfinishedRestore | None:
    """The unfinished restore in a ledger entry; None if there is none, or it is unreadable."""
    try:
        return (
            UnfinishedRestore.model_validate(entry["restoring"]) if entry.get("restoring") else None
        )
    except ValueError:
        return None


class SnapshotListing(LazyModel):
    """One file of a snapshot, as the ledger or a server lists it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`collection/name`.")
    id: str = Field(default="", description="`snapshots restore ADDRESS@ID`; empty if unknown.")
    owner: str = Field(
        default="", description="Owner that took it; empty if qdrantctl did not take it."
    )
    name: str = Field(description="Name of the file.")
    node: str = Field(description="The node's address, or its peer id if it was not contacted.")
    size: int = Field(description="Bytes.")
    created: str = Field(default="", description="UTC; empty if the server does not report it.")
    checksum: str = Field(default="", description="sha256; empty if the server does not report it.")
    listed: bool | None = Field(
        description="Whether its node lists it; null if unknown: its collection was deleted, or "
        "its node has no address under `nodes`."
    )
