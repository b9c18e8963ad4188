"""What a policy covers, what its destinations hold, and what of it is not as the policy says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from qdrantctl.engine.snapshots.retention import ELSEWHERE, TOO_NEW, expired_sets
from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.consent import matches_glob
from qdrantctl.model.duration import parse_duration
from qdrantctl.model.snapshots.schedule import Schedule
from qdrantctl.model.snapshots.snapshot_set import SetInfo
from qdrantctl.model.violation import Severity, Violation

KIND = "snapshot_policy"
SCRATCH = "qdrantctl-verify-"
"""Prefix of collections that exist only while a set is verified; no policy covers them."""
_FIRST_VERIFICATION = timedelta(days=1)
_REMOVED_WHEN_NAMED = ("orphan", "unfinished", "bad")
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
"""What a finding is about."""
_SHOWN = 3
_NOTES = ("unseen", "foreign")
_HINTS = {
    "restoring": "Run that restore again when it is not under way any more; a plan says how.",
    "unseen": "What is on the cluster is seen while every node is up, what is at a store by "
    "the user who plans with its credentials.",
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
    """One thing that is not as a policy says."""

    address: str
    word: str
    """One of WORDS."""
    message: str


@dataclass(frozen=True, slots=True)
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
        return [each for each in self.sets if each.collection == collection]


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """An applied policy with the state of its destinations, all read at one moment."""

    owner: str
    name: str
    spec: Mapping[str, Any]
    schedule: Schedule
    collections: tuple[str, ...]
    """Those that it covers."""
    destinations: tuple[DestinationStatus, ...]
    restoring: tuple[str, ...] = ()
    """Collections that it would cover, were they not being restored."""
    existing: frozenset[str] = frozenset()
    """Every collection of the cluster, covered or not."""

    @property
    def address(self) -> str:
        """`snapshot_policy/nightly`."""
        return f"{KIND}/{self.name}"

    @property
    def errors(self) -> tuple[str, ...]:
        """Why destinations cannot be read."""
        return tuple(each.error for each in self.destinations if each.error)

    def due_time(
        self,
        collection: str,
        destination: DestinationStatus,
        now: datetime,
        resumable: Collection[str] = (),
    ) -> datetime | None:
        """The time that is due at a destination; None where nothing is, or it cannot be read.

        Sets that a run will finish, `resumable` by their folders, count as complete ones.
        """
        if destination.error:
            return None
        times = (
            each.scheduled
            for each in destination.sets_of(collection)
            if each.state == "complete"
            or (each.state == "unfinished" and each.folder in resumable)
        )  # fmt: skip
        return self.schedule.due_time(filter(None, times), now)

    def collection_is_gone(self, each: SetInfo) -> bool:
        """Whether the collection of a set does not exist any more, or is not covered."""
        return each.collection != "" and each.collection not in self.collections

    def has_server_copies(self, each: SetInfo) -> bool:
        """Whether the servers hold files of a set that a run has to copy or to remove.

        Those of a collection that is gone no server lists or deletes, and by `server_copy: keep`
        those of a complete set go with it; both stay written down.
        """
        is_kept = each.has_manifest and self.spec["server_copy"] == "keep"
        return (
            each.has_server_files
            and not is_kept
            and not each.taken_elsewhere
            and each.collection in self.existing
        )

    def needs_explicit_name(self, each: SetInfo) -> bool:
        """Whether a set is removed when it is named.

        So are those that are no complete set, of collections that are gone, from ahead of the
        clock, and taken at another address. One that is unfinished also goes by itself once a
        newer one was begun.
        """
        return (
            each.state in _REMOVED_WHEN_NAMED
            or self.collection_is_gone(each)
            or each.kept_by in ((TOO_NEW,), (ELSEWHERE,))
            or each.state == "leaving"
        )

    def expired_sets(self, destination: DestinationStatus) -> list[SetInfo]:
        """What retention no longer keeps. What may be the last of a collection is not among it.

        Nor are unfinished sets while a destination cannot be read: it may wait for their files.
        """
        if destination.clock_disagreement:
            return []
        return [
            each
            for each in expired_sets(destination.sets)
            if not self.collection_is_gone(each)
            and not (self.errors and each.state == "unfinished")
        ]

    def findings(self, now: datetime) -> Iterator[PolicyFinding]:
        """What is not as the policy says."""
        for word, message in self._findings(now):
            yield PolicyFinding(self.address, word, message)

    def _findings(self, now: datetime) -> Iterator[tuple[str, str]]:
        for name in self.restoring:
            yield "restoring", restoring_notice(name)
        for where in self.destinations:
            if where.error:
                yield "unseen", where.error
                continue
            for name in self.collections:
                if since := self.due_time(name, where, now):
                    yield "overdue", (f"collection/{name} has no snapshot at {where.url} for "
                                      f"{since:%Y-%m-%d %H:%M} UTC")  # fmt: skip
                yield from self._unverified(name, where, now)
            for each in self.expired_sets(where):
                yield "superfluous", f"{each.folder} at {where.url} is kept by no rule any more"
            for each in where.sets:
                if each.state not in ("complete", "leaving"):
                    yield "incomplete", f"{each.folder} at {where.url} is {each.state}"
            yield from self._foreign_findings(where)

    def _foreign_findings(self, where: DestinationStatus) -> Iterator[tuple[str, str]]:
        """What stands at a destination and is left alone, and what removals wait for."""
        if self.expired_sets(replace(where, clock_disagreement="")) and where.removal_notice:
            yield "clocks", where.removal_notice
        if notice := where.sharing_notice(self.owner):
            yield "shared", notice
        if number := len(where.strangers):
            yield (
                "foreign",
                (
                    f"{number} set{'s' * (number > 1)} at {where.url} "
                    f"{'are' if number > 1 else 'is'} not known to be of this cluster, as "
                    f"{where.strangers[-1].folder}"
                ),
            )

    def _unverified(
        self, name: str, where: DestinationStatus, now: datetime
    ) -> Iterator[tuple[str, str]]:
        """Within the policy's time after the last one; the first is asked for after a day."""
        every = (self.spec.get("verify") or {}).get("every")
        complete = [each for each in where.sets_of(name) if each.state == "complete"]
        if not every or not complete:
            return
        tried = [each.verified.when for each in complete if each.verified]
        first = min(each.taken for each in complete if each.taken)
        until = max(tried) + parse_duration(every) if tried else first + min(
            _FIRST_VERIFICATION, parse_duration(every)
        )  # fmt: skip
        if until < now:
            yield (
                "unverified",
                f"no snapshot of collection/{name} at {where.url} was verified within {every}",
            )


def policy_covers(spec: Mapping[str, Any], collection: str) -> bool:
    """Whether a policy is about a collection of this name."""
    if collection.startswith((OWN_PREFIX, SCRATCH)):
        return False
    return any(matches_glob(glob, collection) for glob in spec["collections"])


def restoring_notice(collection: str) -> str:
    """Why no snapshot is taken of a collection: half of it may be missing."""
    return (
        f"collection/{collection} is being restored, and no snapshot of it is taken until that ends"
    )


def finding_violations(findings: Iterable[PolicyFinding]) -> Iterator[Violation]:
    """The findings for a plan. Of each kind that a policy has, the first stands for all."""
    groups: dict[tuple[str, str], list[PolicyFinding]] = {}
    for each in findings:
        groups.setdefault((each.address, each.word), []).append(each)
    for (address, word), group in groups.items():
        more = f", and {len(group) - 1} more like that" if len(group) > 1 else ""
        yield Violation(
            rule="QC165",
            severity=Severity.NOTE if word in _NOTES else Severity.WARNING,
            address=address,
            message=f"{group[0].message.removesuffix('.')}{more}",
            hint=_HINTS[word],
        )
