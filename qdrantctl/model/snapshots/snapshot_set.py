"""A set: the snapshot of a collection that a policy has put somewhere, and where its files are.

A set is a folder `PROJECT/ENVIRONMENT/POLICY/COLLECTION/ID/` below the destination. Its files
define its state: the manifest, `set.json`, is written last, so that with it the set is complete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.snapshot import SnapshotRecord

BEGUN_FILE = "begun.json"
"""The manifest of a set of which the servers hold files that are still to be copied, or to be
removed: at once, or by `server_copy: keep` together with the set."""
MANIFEST_FILE = "set.json"
VERIFIED_FILE = "verified.json"
PRUNED_FILE = "pruned.json"
"""Marks a set that is being removed."""
_STORE_CHARACTERS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class SampleQuery(BaseModel):
    """What a query by the vector of a point returned among the points of the sample."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    point: str = Field(description="Whose vector was looked for: its id as JSON.")
    scores: Mapping[str, float] = Field(description="Scores by ids as JSON.")


class SetManifest(BaseModel):
    """What is known of a set: all that a restore needs and no snapshot holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = Field(default=1, description="Version of this format.")
    owner: str = Field(description="Project and environment.")
    policy: str = Field(description="Name of the policy.")
    id: str = Field(description="Name of the set among those of its collection.")
    scheduled: AwareDatetime = Field(description="The time for which it was taken.")
    taken: AwareDatetime = Field(description="When it was begun, by the server's clock.")
    snapshot: SnapshotRecord = Field(
        description="The files, with settings, aliases, points of shards and what was applied."
    )
    sample: Mapping[str, str] = Field(
        default_factory=dict, description="Digests of some points, by their ids as JSON."
    )
    queries: Mapping[str, SampleQuery] = Field(
        default_factory=dict, description="What queries found, by the name of the vector."
    )

    @property
    def address(self) -> str:
        """`collection/products`."""
        return f"collection/{self.snapshot.collection}"

    @property
    def folder(self) -> str:
        """Where its files are, below the destination; ends with `/`."""
        return f"{set_folder(self.owner, self.policy, self.snapshot.collection)}{self.id}/"


class VerificationResult(BaseModel):
    """The result of restoring a set and comparing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    when: AwareDatetime = Field(description="When it was tried.")
    good: bool = Field(description="Whether all was as it had been.")
    server: str = Field(description="Version of the server on which it was restored.")
    missed: tuple[str, ...] = Field(default=(), description="What was not as it had been.")


State = Literal["complete", "unfinished", "bad", "leaving", "orphan"]


@dataclass(frozen=True, slots=True)
class SetInfo:
    """What schedules, retention and restores look at; a set that will be taken has one, too."""

    folder: str
    state: State
    collection: str = ""
    """Empty, as all that follows, where no manifest can be read."""
    id: str = ""
    owner: str = ""
    scheduled: datetime | None = None
    taken: datetime | None = None
    has_manifest: bool = False
    has_points: bool = False
    has_server_files: bool = False
    """Whether it is written down that the servers hold files to be copied or removed."""
    verified: VerificationResult | None = None
    damage: str = ""
    """Why it is bad."""
    kept_by: tuple[str, ...] = ()
    """The rules of retention that keep it."""


@dataclass(frozen=True, slots=True)
class SnapshotSet:
    """The files in one folder of a destination, and what they say."""

    destination: str
    folder: str
    files: Mapping[str, int]
    """Sizes by name, the manifest and the like included."""
    manifest: SetManifest | None = None
    begun_manifest: SetManifest | None = None
    """What was written down before the first file was copied; gone once the servers' own copies
    are removed."""
    verified: VerificationResult | None = None
    kept_by: tuple[str, ...] = ()
    """The rules of retention that keep it."""

    @property
    def state(self) -> State:
        """What the next run, retention and restores make of it.

        `complete` counts, `unfinished` may be finished by the next run, `leaving` is being
        removed, `bad` has missing or truncated files or failed its verification, and of an
        `orphan` no manifest can be read.
        """
        if PRUNED_FILE in self.files:
            return "leaving"
        if self.manifest is None:
            return "unfinished" if self.begun_manifest else "orphan"
        return "bad" if self.damage else "complete"

    @property
    def any_manifest(self) -> SetManifest | None:
        """The manifest, or that of a set that was only begun."""
        return self.manifest or self.begun_manifest

    @property
    def missing_or_truncated_file(self) -> str:
        """A sentence about the first file that is not as it was written; empty if all are."""
        for file in self.manifest.snapshot.files if self.manifest else ():
            size = self.files.get(node_file(file.peer))
            if size is None:
                return f"The file of node {file.peer} is missing."
            if size != file.size:
                return (
                    f"The file of node {file.peer} has {size:,} bytes, {file.size:,} were written."
                )
        return ""

    @property
    def damage(self) -> str:
        """Why no collection can be made of it; empty as far as is known."""
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
        """The set without its files."""
        manifest = self.any_manifest
        info = SetInfo(
            folder=self.folder,
            state=self.state,
            has_manifest=self.manifest is not None,
            has_server_files=self.begun_manifest is not None,
            verified=self.verified,
            damage=self.damage,
            kept_by=self.kept_by,
        )
        if manifest is None:
            return info
        return replace(
            info,
            collection=manifest.snapshot.collection,
            id=manifest.id,
            owner=manifest.owner,
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
            "owner": manifest.owner if manifest else None,
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


def set_folder(owner: str, policy: str = "", collection: str = "") -> str:
    """Where the sets of an owner, of its policy or of one collection are; ends with `/`."""
    names = [*owner.split("/"), *(name for name in (policy, collection) if name)]
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
        folders.setdefault(f"{folder}/", {})[file_name] = size
    return folders


def parse_time(text: str) -> datetime:
    """`2026-11-25T03:00:00Z` or a day; without a zone it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
