"""The collections of a policy, the sets at its destinations, and deviations from the policy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from qdrantctl.engine.snapshots.retention import ELSEWHERE, TOO_NEW, expired_sets
from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.consent import matches_glob
from qdrantctl.model.duration import parse_duration
from qdrantctl.model.frozen import frozen
from qdrantctl.model.snapshots.schedule import Schedule
from qdrantctl.model.snapshots.snapshot_set import SetInfo
from qdrantctl.model.violation import Severity, Violation

KIND = "snapshot_policy"
SCRATCH = "qdrantctl-verify-"
"""Prefix of collections that exist only while a set is verified; no policy covers them."""
_FIRST_VERIFICATION = timedelta(days=1)
_REMOVED_WHEN_NAMED = ("orphan", "unfinished", "bad", "leaving")
WORDS = (
    "overdue",
    "incomplete",
    "unverified",
    "superfluous",
    "unseen",
    "restoring",
    "shared",
    "foreign",
    "clocks",
)
"""The categories of findings."""
_SHOWN = 3
_NOTES = ("unseen", "foreign")
_HINTS = {
    "restoring": "Run that restore again once it is no longer in progress; a plan prints "
    "the command.",
    "unseen": "Sets on the cluster are visible while every node is up, those at a store to "
    "a user who plans with its credentials.",
    "overdue": "Run `qdrantctl snapshots run` every few minutes, as from cron.",
    "unverified": "Run `qdrantctl snapshots verify`.",
    "superfluous": "`qdrantctl snapshots prune` removes it.",
    "shared": "Give each cluster a project name, an environment or a destination of its own. Sets "
    "of a cluster that is gone are removed by name: `snapshots prune --orphan FOLDER`.",
    "foreign": "Runs leave them alone. `qdrantctl snapshots list` shows them, `snapshots prune "
    "--orphan FOLDER` removes one, `snapshots restore --from` takes one that is named.",
    "clocks": "Set the clocks. A set whose date is wrong is removed by name: `qdrantctl snapshots "
    "prune --orphan FOLDER`.",
    "incomplete": "`qdrantctl snapshots list` shows it; the next run finishes what it can, "
    "`snapshots prune --orphan FOLDER` removes it.",
}


class PolicyFinding(NamedTuple):
    """One deviation from a policy."""

    address: str
    word: str
    """One of WORDS."""
    message: str


@frozen
class DestinationStatus:
    """One destination of a policy: its sets, or why it cannot be read."""

    url: str
    sets: tuple[SetInfo, ...] = ()
    """The cluster's own, with the rules that keep them; of each collection the oldest first."""
    error: str = ""
    strangers: tuple[SetInfo, ...] = ()
    """Sets in the folders of the policy that are not this cluster's, as far as can be told."""
    other_clusters: tuple[str, ...] = ()
    """Ids of other clusters to which the same owner belongs."""
    clock_disagreement: str = ""
    """Why nothing may be removed by its age; empty where the clocks agree."""

    @property
    def removal_notice(self) -> str:
        """That nothing is removed, and why; empty where that is not so."""
        if not self.clock_disagreement:
            return ""
        return f"nothing is removed from {self.url} by its age: {self.clock_disagreement}"

    def sharing_notice(self, owner: str) -> str:
        """That the same owner has sets of another cluster here; empty where it has none."""
        if not self.other_clusters:
            return ""
        ids = ", ".join(self.other_clusters[:_SHOWN])
        return f"{self.url} holds sets of {owner} on another cluster, too: {ids}"

    def sets_of(self, collection: str) -> list[SetInfo]:
        """The sets of a collection, the oldest first."""
        return [snapshot_set for snapshot_set in self.sets if snapshot_set.collection == collection]


@frozen
class PolicyStatus:
    """An applied policy with the state of its destinations, all read at one moment."""

    owner: str
    name: str
    spec: Mapping[str, Any]
    schedule: Schedule
    collections: tuple[str, ...]
    """The collections that it covers."""
    destinations: tuple[DestinationStatus, ...]
    restoring: tuple[str, ...] = ()
    """Collections that it would cover, were they not being restored."""
    existing: frozenset[str] = frozenset()
    """Every collection of the cluster, covered or not."""
    restored: Mapping[str, datetime] = field(default_factory=dict)
    """When collections were restored under a new name: nothing of them was due before."""

    @property
    def address(self) -> str:
        """`snapshot_policy/nightly`."""
        return f"{KIND}/{self.name}"

    @property
    def errors(self) -> tuple[str, ...]:
        """Why destinations cannot be read."""
        return tuple(destination.error for destination in self.destinations if destination.error)

    def due_time(
        self,
        collection: str,
        destination: DestinationStatus,
        now: datetime,
        resumable: Collection[str] = (),
    ) -> datetime | None:
        """The due time at a destination; None if no set is due or the destination cannot be read.

        Sets that a run will finish, `resumable` by their folders, count as complete ones.
        """
        if destination.error:
            return None
        times = (
            snapshot_set.scheduled
            for snapshot_set in destination.sets_of(collection)
            if snapshot_set.state == "complete"
            or (snapshot_set.state == "unfinished" and snapshot_set.folder in resumable)
        )  # fmt: skip
        return self.schedule.due_time(filter(None, times), now)

    def collection_is_gone(self, snapshot_set: SetInfo) -> bool:
        """Whether the collection of a set does not exist any more, or is not covered."""
        return snapshot_set.collection != "" and snapshot_set.collection not in self.collections

    def has_server_copies(self, snapshot_set: SetInfo) -> bool:
        """Whether the servers have files of a set that a run has to copy or to remove.

        No server lists or deletes files of a deleted collection, and with `server_copy: keep`
        those of a complete set are removed with the set. Both stay recorded in the set.
        """
        is_kept = snapshot_set.has_manifest and self.spec["server_copy"] == "keep"
        return (
            snapshot_set.has_server_files
            and not is_kept
            and not snapshot_set.taken_elsewhere
            and snapshot_set.collection in self.existing
        )

    def needs_explicit_name(self, snapshot_set: SetInfo) -> bool:
        """Whether a set is removed only if the operator names it.

        This holds for incomplete sets, sets of deleted collections, sets dated in the future and
        sets taken at another address. An unfinished set also expires once a newer one was started.
        """
        return (
            snapshot_set.state in _REMOVED_WHEN_NAMED
            or self.collection_is_gone(snapshot_set)
            or snapshot_set.kept_by in ((TOO_NEW,), (ELSEWHERE,))
        )

    def expired_sets(self, destination: DestinationStatus) -> list[SetInfo]:
        """The sets that retention no longer keeps, without those of deleted collections.

        Unfinished sets stay while a destination cannot be read: it may still need their files.
        """
        if destination.clock_disagreement:
            return []
        return [
            snapshot_set
            for snapshot_set in expired_sets(destination.sets)
            if not self.collection_is_gone(snapshot_set)
            and not (self.errors and snapshot_set.state == "unfinished")
        ]

    def findings(self, now: datetime) -> Iterator[PolicyFinding]:
        """The deviations from the policy."""
        for word, message in self._findings(now):
            yield PolicyFinding(self.address, word, message)

    def _findings(self, now: datetime) -> Iterator[tuple[str, str]]:
        for name in self.restoring:
            yield "restoring", restoring_notice(name)
        for destination in self.destinations:
            if destination.error:
                yield "unseen", destination.error
                continue
            for name in self.collections:
                since = self.due_time(name, destination, now)
                if since and since >= self.restored.get(name, since):
                    yield "overdue", (f"collection/{name} has no snapshot at {destination.url} for "
                                      f"{since:%Y-%m-%d %H:%M} UTC")  # fmt: skip
                yield from self._unverified(name, destination, now)
            for snapshot_set in self.expired_sets(destination):
                yield (
                    "superfluous",
                    f"{snapshot_set.folder} at {destination.url} is kept by no rule any more",
                )
            for snapshot_set in destination.sets:
                if snapshot_set.state not in ("complete", "leaving"):
                    yield (
                        "incomplete",
                        f"{snapshot_set.folder} at {destination.url} is {snapshot_set.state}",
                    )
            yield from self._foreign_findings(destination)

    def _foreign_findings(self, destination: DestinationStatus) -> Iterator[tuple[str, str]]:
        """Sets of a destination that runs leave alone, and why expired ones are kept."""
        if self.expired_sets(replace(destination, clock_disagreement="")) and (
            notice := destination.removal_notice
        ):
            yield "clocks", notice
        if notice := destination.sharing_notice(self.owner):
            yield "shared", notice
        if number := len(destination.strangers):
            yield (
                "foreign",
                f"{number} set{'s' * (number > 1)} at {destination.url} "
                f"{'are' if number > 1 else 'is'} not known to be of this cluster, as "
                f"{destination.strangers[-1].folder}",
            )

    def _unverified(
        self, name: str, destination: DestinationStatus, now: datetime
    ) -> Iterator[tuple[str, str]]:
        """No verification within the policy's interval; the first is due after a day at most."""
        interval = (self.spec.get("verify") or {}).get("every")
        complete = [
            snapshot_set
            for snapshot_set in destination.sets_of(name)
            if snapshot_set.state == "complete"
        ]
        if not interval or not complete:
            return
        verified = [
            snapshot_set.verified.when for snapshot_set in complete if snapshot_set.verified
        ]
        oldest = min(snapshot_set.taken for snapshot_set in complete if snapshot_set.taken)
        until = max(verified) + parse_duration(interval) if verified else oldest + min(
            _FIRST_VERIFICATION, parse_duration(interval)
        )  # fmt: skip
        if until < now:
            yield (
                "unverified",
                f"no snapshot of collection/{name} at {destination.url} was verified within "
                f"{interval}",
            )


def policy_covers(spec: Mapping[str, Any], collection: str) -> bool:
    """Whether a policy covers a collection of this name."""
    if collection.startswith((OWN_PREFIX, SCRATCH)):
        return False
    return any(matches_glob(glob, collection) for glob in spec["collections"])


def restoring_notice(collection: str) -> str:
    """Why no snapshot is taken of a collection: a part of it may be missing."""
    return (
        f"collection/{collection} is being restored, and no snapshot of it is taken until that ends"
    )


def finding_violations(findings: Iterable[PolicyFinding]) -> Iterator[Violation]:
    """The findings for a plan: of each category of a policy the first, and how many more."""
    groups: dict[tuple[str, str], list[PolicyFinding]] = {}
    for finding in findings:
        groups.setdefault((finding.address, finding.word), []).append(finding)
    for (address, word), group in groups.items():
        suffix = f", and {len(group) - 1} more like that" if len(group) > 1 else ""
        yield Violation(
            rule="QC165",
            severity=Severity.NOTE if word in _NOTES else Severity.WARNING,
            address=address,
            message=f"{group[0].message.removesuffix('.')}{suffix}",
            hint=_HINTS[word],
        )
