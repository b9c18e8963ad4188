"""A snapshot that was taken before points were destroyed, as the ledger remembers it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field

from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.forms import (
    Checksum,
    Count,
    Name,
    PeerId,
    SetId,
    ShardId,
    VersionText,
)


class NodeSnapshotFile(BaseModel):
    """One node's part: a file that holds the shards of that node and no others."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    peer: PeerId = Field(description="The node, by its peer id.")
    name: Name = Field(description="Name of the file.")
    size: Count = Field(description="Bytes.")
    checksum: Checksum = Field(description="sha256 of the file, read back after it was written.")
    shards: Mapping[ShardId, tuple[Count, Count]] = Field(
        description="Points of each shard that was active, before and after it was written; those "
        "within may be fewer or more if points were written meanwhile."
    )


class SnapshotRecord(BaseModel):
    """A collection snapshot on every node that held shards of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: SetId = Field(description="When it was taken, by the clock of the first node.")
    collection: Name = Field(description="Name of the collection.")
    server: VersionText = Field(description="Version of the server.")
    aliases: tuple[str, ...] = Field(description="Its aliases then; no snapshot holds them.")
    spec: Mapping[str, Json] = Field(description="Its settings then.")
    keys: tuple[tuple[str | Count, tuple[ShardId, ...]], ...] = Field(
        default=(), description="Shard keys, each with its shards."
    )
    files: tuple[NodeSnapshotFile, ...] = Field(description="One for each node.")
    manifest: Mapping[str, Json] = Field(
        default_factory=dict, description="What was last applied of it; empty for nothing."
    )
    schema_version: Count = Field(default=0, description="Of that; 0 for none.")
    quiet: bool = Field(
        default=False,
        description="Whether no write was answered while it was taken: then it holds the points "
        "that were counted, and else it may hold others.",
    )
    unsettled: tuple[str, ...] = Field(
        default=(), description="Settings that changed while it was taken."
    )

    def of(self, entry: Mapping[str, Json]) -> SnapshotRecord:
        """With what the ledger's entry tells of the collection now."""
        if entry.get("deleted") or not entry.get("spec"):
            return self
        version = int(entry.get("schema_version") or 0)
        return self.model_copy(update={"manifest": entry["spec"], "schema_version": version})

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
        """Which shard is on which node."""
        return frozenset((shard, file.peer) for file in self.files for shard in file.shards)


def recorded_snapshots(entry: Mapping[str, Json]) -> Iterator[SnapshotRecord]:
    """The snapshots that a ledger entry tells of, oldest first. Raises ValueError."""
    for found in entry.get("snapshots") or ():
        yield SnapshotRecord.model_validate(found)


def restore_command(address: Address | str, snapshot: str = "", environment: str = "") -> str:
    """The command that makes a collection of a snapshot; of the latest where none is named."""
    what = f"{address}@{snapshot}" if snapshot else str(address)
    where = f" -e {shlex.quote(environment)}" if environment not in ("", "-") else ""
    return f"qdrantctl snapshots restore {shlex.quote(what)}{where}"


class UnfinishedRestore(BaseModel):
    """A restore that was begun, as the ledger's entry of the new name remembers it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    collection: str = Field(description="Name of the collection that the snapshot is of.")
    snapshot: str = Field(description="Its id.")
    source: str = Field(default="", description="The destination it is at; empty: the servers.")
    aliases: tuple[str, ...] = Field(
        default=(), description="Taken down with what stood there, and still to be put back."
    )
    replaced: str = Field(
        default="", description="Id of the snapshot of what stood there; empty for nothing."
    )
    stand_in: bool = Field(
        default=False, description="Whether an empty collection may stand for the old one."
    )
    who: str = Field(default="", description="Who began it.")
    when: str = Field(default="", description="When.")

    def resume_command(self, name: str, environment: str) -> str:
        """The command that does it once more."""
        at = f" --from {shlex.quote(self.source)}" if self.source else ""
        words = restore_command(f"collection/{self.collection}", self.snapshot, environment)
        return f"{words}{at} --as {shlex.quote(name)}"


def find_unfinished_restore(entry: Mapping[str, Json]) -> UnfinishedRestore | None:
    """What a ledger entry tells of a restore that did not end."""
    try:
        return (
            UnfinishedRestore.model_validate(entry["restoring"]) if entry.get("restoring") else None
        )
    except ValueError:
        return None


class SnapshotListing(BaseModel):
    """One file of a snapshot, as the ledger or the server tells of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(description="`collection/name`.")
    id: str = Field(default="", description="`snapshots restore ADDRESS@ID`; empty where unknown.")
    owner: str = Field(default="", description="Who took it; empty when qdrantctl did not.")
    name: str = Field(description="Name of the file.")
    node: str = Field(description="The node's address, or its peer id where it was not asked.")
    size: int = Field(description="Bytes.")
    created: str = Field(default="", description="UTC; empty where the server does not tell.")
    checksum: str = Field(default="", description="sha256; empty where the server does not tell.")
    listed: bool | None = Field(
        description="Whether its node lists it; null if unknown: its collection is "
        "gone, or its node has no address under nodes."
    )
