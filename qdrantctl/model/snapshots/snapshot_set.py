"""A set: the snapshot of a collection that a policy has put somewhere, and where its files are.

A set is a folder `PROJECT/ENVIRONMENT/POLICY/COLLECTION/ID/` below the destination. What it holds
says what it is: `set.json` is written last, so that with it the set is complete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.snapshot import Taken

BEGUN = "begun.json"
"""A set of which the servers hold files that are still to be copied, or to be removed: at once,
or by `server_copy: keep` together with the set."""
SIDECAR = "set.json"
VERIFIED = "verified.json"
PRUNED = "pruned.json"
"""A set that is being removed."""
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Found(BaseModel):
    """What a query by the vector of a point found among the points of the sample."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    point: str = Field(description="Whose vector was looked for: its id as JSON.")
    scores: Mapping[str, float] = Field(description="Scores by ids as JSON.")


class Sidecar(BaseModel):
    """What is known of a set: all that a restore needs and no snapshot holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = Field(default=1, description="Version of this format.")
    owner: str = Field(description="Project and environment.")
    policy: str = Field(description="Name of the policy.")
    id: str = Field(description="Name of the set among those of its collection.")
    scheduled: AwareDatetime = Field(description="The time for which it was taken.")
    taken: AwareDatetime = Field(description="When it was begun, by the server's clock.")
    snapshot: Taken = Field(
        description="The files, with settings, aliases, points of shards and what was applied."
    )
    sample: Mapping[str, str] = Field(
        default_factory=dict, description="Digests of some points, by their ids as JSON."
    )
    queries: Mapping[str, Found] = Field(
        default_factory=dict, description="What queries found, by the name of the vector."
    )

    @property
    def address(self) -> str:
        """`collection/products`."""
        return f"collection/{self.snapshot.collection}"

    @property
    def folder(self) -> str:
        """Where its files are, below the destination; ends with `/`."""
        place = folder(self.owner, self.policy, self.snapshot.collection)
        return f"{place}{self.id}/"


class Verified(BaseModel):
    """What became of restoring a set to see whether it can be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    when: AwareDatetime = Field(description="When it was tried.")
    good: bool = Field(description="Whether all was as it had been.")
    server: str = Field(description="Version of the server on which it was restored.")
    missed: tuple[str, ...] = Field(default=(), description="What was not as it had been.")


State = Literal["complete", "unfinished", "bad", "leaving", "orphan"]


@dataclass(frozen=True, slots=True)
class Set:
    """What stands in one folder of a destination."""

    destination: str
    folder: str
    files: Mapping[str, int]
    """Sizes by name, the sidecar and the like included."""
    sidecar: Sidecar | None = None
    begun: Sidecar | None = None
    verified: Verified | None = None
    kept: tuple[str, ...] = field(default=())
    """The rules that keep it."""

    @property
    def state(self) -> State:
        """`complete` counts; `unfinished` may be finished by the next run; no one knows the rest.

        A file that is missing, or has another size than was written, makes a set bad.
        """
        if PRUNED in self.files:
            return "leaving"
        if self.sidecar is None:
            return "unfinished" if self.begun else "orphan"
        sound = all(
            self.files.get(part(file.peer)) == file.size for file in self.sidecar.snapshot.files
        )
        return "complete" if sound and (self.verified is None or self.verified.good) else "bad"

    @property
    def about(self) -> Sidecar | None:
        """What is known of it."""
        return self.sidecar or self.begun

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.files.values())

    def document(self, now: datetime) -> dict[str, Json]:
        """What `snapshots list` tells of it."""
        about = self.about
        return {
            "destination": self.destination,
            "folder": self.folder,
            "state": self.state,
            "owner": about.owner if about else None,
            "policy": about.policy if about else None,
            "address": about.address if about else None,
            "id": about.id if about else None,
            "taken": about.taken.isoformat() if about else None,
            "age_seconds": int((now - about.taken).total_seconds()) if about else None,
            "size": self.size,
            "points": about.snapshot.points if about else None,
            "kept_by": list(self.kept),
            "verified": self.verified.model_dump(mode="json") if self.verified else None,
        }


def part(peer: str) -> str:
    """Name of one node's file."""
    return f"{peer}.snapshot"


def folder(owner: str, policy: str = "", collection: str = "") -> str:
    """Where the sets of an owner, of its policy or of one collection are; ends with `/`."""
    words = [*owner.split("/"), *(word for word in (policy, collection) if word)]
    return "".join(f"{_plain(word)}/" for word in words)


def _plain(word: str) -> str:
    """A word as every store can have it; what is not plain is followed by a part of its digest."""
    if _SAFE.fullmatch(word):
        return word
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", word)[:80]
    return f"{plain}-{hashlib.sha256(word.encode()).hexdigest()[:8]}"


def grouped(found: Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    """Files by their folder."""
    sets: dict[str, dict[str, int]] = {}
    for name, size in found:
        above, _, last = name.rpartition("/")
        sets.setdefault(f"{above}/", {})[last] = size
    return sets


def instant(text: str) -> datetime:
    """`2026-11-25T03:00:00Z` or a day; without a zone it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
