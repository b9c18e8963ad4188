"""Snapshot sets: the snapshots of collections that a policy stored at a destination.

A set is a folder `PROJECT/ENVIRONMENT/CLUSTER/POLICY/COLLECTION/ID/` below the destination; up to
0.1.0 without the id of the cluster. Its files define its state: the manifest, `set.json`, is
written last and marks the set as complete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.snapshots.forms import (
    ClusterId,
    Name,
    OwnerName,
    PointId,
    SetId,
    SetTime,
    VersionText,
)
from qdrantctl.model.snapshots.snapshot import SnapshotRecord

BEGUN_FILE = "begun.json"
"""The manifest of a set whose files are still on the servers: not copied yet, to be removed next,
or kept as long as the set (`server_copy: keep`)."""
MANIFEST_FILE = "set.json"
VERIFIED_FILE = "verified.json"
PRUNED_FILE = "pruned.json"
"""Marks a set that is being removed."""
_STORE_CHARACTERS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class SampleQuery(LazyModel):
    """The result of a query by the vector of a point, among the points of the sample."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    point: PointId = Field(description="The point whose vector was queried: its id as JSON.")
    scores: Mapping[PointId, FiniteFloat] = Field(description="Scores by ids as JSON.")


class SetManifest(LazyModel):
    """The manifest of a set: the data that a restore needs and snapshots do not contain."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    format: Literal[1] = Field(default=1, description="Version of this format.")
    owner: OwnerName = Field(description="Project and environment.")
    cluster: ClusterId = Field(
        default="", description="Id of the cluster, from its ledger; empty up to 0.1.0."
    )
    policy: Name = Field(description="Name of the policy.")
    id: SetId = Field(description="Name of the set among those of its collection.")
    scheduled: SetTime = Field(description="The time for which it was taken.")
    taken: SetTime = Field(description="When it was started, by the server's clock.")
    snapshot: SnapshotRecord = Field(
        description="The files, with settings, aliases, points per shard and last-applied state."
    )
    sample: Mapping[PointId, str] = Field(
        default_factory=dict, description="Digests of some points, by their ids as JSON."
    )
    queries: Mapping[str, SampleQuery] = Field(
        default_factory=dict, description="Results of queries, by the name of the vector."
    )

    @model_validator(mode="after")
    def _check_parts(self) -> SetManifest:
        peers = [file.peer for file in self.snapshot.files]
        if not peers or len(set(peers)) < len(peers):
            raise ValueError("a set has one file for each node, and at least one")
        if not all(shards for _, shards in self.snapshot.keys):
            raise ValueError("a shard key has shards")
        return self

    @property
    def address(self) -> str:
        """`collection/products`."""
        return f"collection/{self.snapshot.collection}"

    @property
    def folder(self) -> str:
        """The folder of its files below the destination; ends with `/`."""
        above = set_folder(self.owner, self.cluster, self.policy, self.snapshot.collection)
        return f"{above}{self.id}/"

    @property
    def file_names(self) -> Mapping[str, str]:
        """The servers' own files, by the node that holds each."""
        return {file.peer: file.name for file in self.snapshot.files}


class VerificationResult(LazyModel):
    """The result of restoring a set and comparing."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    when: SetTime = Field(description="When it was verified.")
    good: bool = Field(description="Whether the restored collection was the same.")
    server: VersionText = Field(description="Version of the server on which it was restored.")
    missed: tuple[str, ...] = Field(default=(), description="What was not the same.")
    notes: tuple[str, ...] = Field(
        default=(),
        description="Settings that this server changed, which is no fault of the set.",
    )


State = Literal["complete", "unfinished", "bad", "leaving", "orphan"]
Origin = Literal["own", "other", "unrecorded", "unknown"]
"""Who took a set: this cluster; another one; this one by the set's word, but not by the ledger's;
or an unknown one, as up to 0.1.0."""


@frozen
class SetInfo:
    """The facts of a set that schedules, retention and restores need; also of a planned set."""

    folder: str
    state: State
    collection: str = ""
    """This and the following fields are empty if no manifest can be read."""
    id: str = ""
    owner: str = ""
    cluster: str = ""
    origin: Origin = "own"
    taken_elsewhere: bool = False
    """Whether it was taken at another address, so that this cluster may be a copy."""
    scheduled: datetime | None = None
    taken: datetime | None = None
    has_manifest: bool = False
    has_points: bool = False
    has_server_files: bool = False
    """Whether `begun.json` exists: the servers hold files that are to be copied or removed."""
    verified: VerificationResult | None = None
    damage: str = ""
    """Why it is bad, or not accepted as a set."""
    has_bad_verdict: bool = False
    """Whether a failed verification is all that makes it bad."""
    kept_by: tuple[str, ...] = ()
    """The rules of retention that keep it."""


@frozen
class SnapshotSet:
    """A set at a destination: the files of its folder, and its manifests."""

    destination: str
    folder: str
    files: Mapping[str, int]
    """Sizes in bytes by name, including the manifest and marker files."""
    manifest: SetManifest | None = None
    begun_manifest: SetManifest | None = None
    """The manifest written before the first file is copied; removed with the server copies."""
    pruned_manifest: SetManifest | None = None
    """The manifest written before the set is removed."""
    verified: VerificationResult | None = None
    kept_by: tuple[str, ...] = ()
    """The rules of retention that keep it."""
    problem: str = ""
    """Why its files are not accepted as a set; empty if they are."""
    origin: Origin | None = None
    """Whose it is; None if no ledger was read."""
    taken_elsewhere: bool = False
    """Whether it was taken at another address, so that this cluster may be a copy."""

    @property
    def state(self) -> State:
        """The state for the next run, retention and restores.

        `complete` counts, `unfinished` may be finished by the next run, `leaving` is being
        removed, `bad` has missing or truncated files or failed its verification, and an `orphan`
        has no manifest that is accepted.
        """
        if self.problem or self.any_manifest is None:
            return "orphan"
        if PRUNED_FILE in self.files:
            return "leaving"
        if self.manifest is None:
            return "unfinished" if self.begun_manifest else "orphan"
        return "bad" if self.damage else "complete"

    @property
    def any_manifest(self) -> SetManifest | None:
        """The manifest, or that of an unfinished set or of one that is being removed."""
        return self.manifest or self.begun_manifest or self.pruned_manifest

    @property
    def missing_or_truncated_file(self) -> str:
        """A sentence about the first missing or truncated file; empty if there is none."""
        for file in self.manifest.snapshot.files if self.manifest else ():
            size = self.files.get(node_file(file.peer))
            if size is None:
                return f"The file of node {file.peer} is missing."
            if size != file.size:
                return f"The file of node {file.peer} has {size:,} bytes instead of {file.size:,}."
        return ""

    @property
    def has_bad_verdict(self) -> bool:
        """Whether its files are listed as they were written, and it failed a verification."""
        failed = self.verified is not None and not self.verified.good
        return failed and not self.missing_or_truncated_file

    @property
    def damage(self) -> str:
        """Why it cannot be restored; empty if no damage is known."""
        if reason := self.missing_or_truncated_file:
            return reason
        if self.verified and not self.verified.good:
            return "; ".join(self.verified.missed) or "Its verification failed."
        return ""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.files.values())

    @property
    def info(self) -> SetInfo:
        """The facts of the set without its files."""
        manifest = self.any_manifest
        info = SetInfo(
            folder=self.folder,
            state=self.state,
            origin=self.origin or "own",
            taken_elsewhere=self.taken_elsewhere,
            has_manifest=self.manifest is not None,
            has_server_files=self.begun_manifest is not None,
            verified=self.verified,
            damage=self.problem or self.damage,
            has_bad_verdict=self.has_bad_verdict,
            kept_by=self.kept_by,
        )
        if manifest is None:
            return info
        return replace(
            info,
            collection=manifest.snapshot.collection,
            id=manifest.id,
            owner=manifest.owner,
            cluster=manifest.cluster,
            scheduled=manifest.scheduled,
            taken=manifest.taken,
            has_points=manifest.snapshot.points > 0,
        )

    def document(self, now: datetime) -> dict[str, Json]:
        """Its JSON in `snapshots list` and `snapshots prune`."""
        manifest = self.any_manifest
        return {
            "destination": self.destination,
            "folder": self.folder,
            "state": self.state,
            "problem": self.problem,
            "origin": self.origin,
            "owner": manifest.owner if manifest else None,
            "cluster": manifest.cluster if manifest else None,
            "policy": manifest.policy if manifest else None,
            "address": manifest.address if manifest else None,
            "id": manifest.id if manifest else None,
            "taken": manifest.taken.isoformat() if manifest else None,
            "age_seconds": int((now - manifest.taken).total_seconds()) if manifest else None,
            "size": self.size,
            "points": manifest.snapshot.points if manifest else None,
            "kept_by": list(self.kept_by),
            "verified": self.verified.model_dump(mode="json") if self.verified else None,
        }


def node_file(peer: str) -> str:
    """Name of one node's file."""
    return f"{peer}.snapshot"


def set_folder(owner: str, *parts: str) -> str:
    """The folder of the sets of an owner, a cluster, a policy or a collection; ends with `/`."""
    names = [*owner.split("/"), *filter(None, parts)]
    return "".join(f"{_portable_name(name)}/" for name in names)


def _portable_name(word: str) -> str:
    """A name that every store accepts; other characters are replaced, and a digest is added."""
    if _STORE_CHARACTERS.fullmatch(word):
        return word
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", word)[:80]
    return f"{plain}-{hashlib.sha256(word.encode()).hexdigest()[:8]}"


def group_by_folder(names: Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    """Sizes by folder and file name."""
    folders: dict[str, dict[str, int]] = {}
    for name, size in names:
        folder, _, file_name = name.rpartition("/")
        folders.setdefault(f"{folder}/" if folder else "", {})[file_name] = size
    return folders


def parse_time(text: str) -> datetime:
    """`2026-11-25T03:00:00Z` or a day; without a zone it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
