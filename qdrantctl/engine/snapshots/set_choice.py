"""Which snapshot set of a destination is restored, and which newer ones are skipped. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from qdrantctl.model.address import Address
from qdrantctl.model.errors import QdrantctlError, StoreError, UsageError
from qdrantctl.model.snapshots.schedule import CLOCK_SKEW
from qdrantctl.model.snapshots.snapshot_set import SetInfo

LATEST = "latest"
_SHOWN = 3
"""Sets whose problems an error lists."""
_REFERENCE_HINT = "As in collection/products@ID."


@dataclass(frozen=True, slots=True)
class SetReference:
    """`collection/NAME` or `collection/NAME@ID`; the newest set if no id is given."""

    address: Address
    id: str = ""

    @classmethod
    def parse(cls, text: str, known_names: Collection[str]) -> SetReference:
        """Names of collections may contain an `@`: known names come first. Raises UsageError."""
        name, at, set_id = text.rpartition("@")
        try:
            reference = cls(Address.parse(text))
            if at and reference.address.name not in known_names:
                reference = cls(Address.parse(name), "" if set_id == LATEST else set_id)
        except ValueError as error:
            raise UsageError(str(error), hint=_REFERENCE_HINT) from None
        if reference.address.kind != "collection":
            raise UsageError(f"{reference.address} is not a collection", hint=_REFERENCE_HINT)
        return reference


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """The set that the operator requests."""

    reference: str
    """`collection/NAME`, `collection/NAME@ID` or `collection/NAME@latest`."""
    url: str
    """The destination, for messages."""
    owners: tuple[str, ...]
    """The caller, then its previous names."""
    at: datetime | None = None
    """The newest set up to this time."""
    this_cluster: str = ""
    """Id of the caller's cluster; empty if it has none, and so has taken no sets."""
    cluster: str = ""
    """Id of the cluster whose sets are requested; empty for the caller's own."""
    ignore_verdict: bool = False
    """Whether a set is also chosen if its verification failed."""

    @property
    def hint(self) -> str:
        """What to do if no set can be chosen."""
        return f"`qdrantctl snapshots list --from {self.url}` lists them."


@dataclass(frozen=True, slots=True)
class SetChoice:
    """The set to restore."""

    chosen: SetInfo
    skipped: tuple[SetInfo, ...] = ()
    """Newer sets that are incomplete; empty if the operator gave an id."""


def choose_set(sets: Iterable[SetInfo], request: RestoreRequest, now: datetime) -> SetChoice:
    """The set that a request refers to.

    Raises UsageError for an invalid reference, QdrantctlError if no set or sets of several owners
    match, StoreError if the set is damaged.
    """
    sets = list(sets)
    with_manifest = [snapshot_set for snapshot_set in sets if snapshot_set.has_manifest]
    reference = SetReference.parse(
        request.reference, {snapshot_set.collection for snapshot_set in with_manifest}
    )
    if reference.id and request.at:
        raise UsageError("name the set by its ID or by --at, not by both")
    matching = [
        snapshot_set for snapshot_set in with_manifest if _matches(snapshot_set, reference, request)
    ]
    matching = _sets_of_cluster(matching, reference, request)
    if not matching:
        orphans = (snapshot_set for snapshot_set in sets if snapshot_set.state == "orphan")
        reasons = [f"{orphan.folder}: {orphan.damage}." for orphan in orphans if orphan.damage]
        raise QdrantctlError(
            f"{request.url} holds no set {request.reference} that is complete",
            why=" ".join(reasons[:_SHOWN]),
            hint=request.hint,
        )
    _require_single_owner(matching, reference, request)
    _require_single_cluster(matching, reference, request)
    # A set from further ahead was dated by a wrong clock; it is chosen last.
    until = now + CLOCK_SKEW
    chosen = max(
        matching,
        key=lambda snapshot_set: (_taken_at(snapshot_set) <= until, _taken_at(snapshot_set)),
    )
    ignored = request.ignore_verdict and chosen.has_bad_verdict
    if chosen.state not in ("complete", "leaving") and not ignored:
        override = " --ignore-verdict restores it anyway." if chosen.has_bad_verdict else ""
        raise StoreError(
            f"the set {chosen.folder} at {request.url} "
            f"{'is damaged' if chosen.state == 'bad' else 'cannot be understood'}",
            why=chosen.damage,
            hint=request.hint + override,
        )
    if reference.id:
        return SetChoice(chosen)
    until = min(request.at or until, until)
    newer = (
        snapshot_set
        for snapshot_set in sets
        if snapshot_set.collection == chosen.collection
        and (snapshot_set.cluster, snapshot_set.origin) == (chosen.cluster, chosen.origin)
        and snapshot_set.taken
        and _taken_at(chosen) < snapshot_set.taken <= until
        and snapshot_set.state != "complete"
    )
    return SetChoice(chosen, tuple(newer))


def _sets_of_cluster(
    sets: list[SetInfo], reference: SetReference, request: RestoreRequest
) -> list[SetInfo]:
    """The sets of the caller's cluster, or of the one that the request names.

    A set that is itself the destination counts as named, and a set without a cluster does if its
    id is given. A cluster without an id has taken no sets, so any cluster's match. Raises
    QdrantctlError if only sets of other clusters match.
    """
    if request.cluster:
        return [snapshot_set for snapshot_set in sets if snapshot_set.cluster == request.cluster]
    named = [snapshot_set for snapshot_set in sets if not snapshot_set.folder]
    own = [snapshot_set for snapshot_set in sets if snapshot_set.origin == "own"]
    unknown = [s for s in sets if s.origin == "unknown" and reference.id]
    result = named or own or unknown or ([] if request.this_cluster else sets)
    if sets and not result:
        raise _other_cluster_error(max(sets, key=_taken_at), reference, request)
    return result


def _other_cluster_error(
    newest: SetInfo, reference: SetReference, request: RestoreRequest
) -> QdrantctlError:
    """The error for a destination that has matching sets, but none of this cluster."""
    origins = {
        "other": f"of the cluster {newest.cluster}",
        "unrecorded": "not recorded in the ledger of this cluster",
    }
    origin = origins.get(newest.origin, "of an unknown cluster: qdrantctl 0.1.0 recorded none")
    is_unknown = newest.origin == "unknown"
    words = f"qdrantctl snapshots restore {reference.address}"
    words += f"@{newest.id}" if is_unknown else ""
    words += f" --from {request.url}"
    words += "" if is_unknown else f" --of-cluster {newest.cluster}"
    return QdrantctlError(
        f"{request.url} holds no set {request.reference} that this cluster has taken",
        why=f"The newest one there, {newest.folder}, is {origin}.",
        hint=f"To restore that one all the same: {words}",
    )


def _require_single_cluster(
    sets: Iterable[SetInfo], reference: SetReference, request: RestoreRequest
) -> None:
    """Raises QdrantctlError for sets of several clusters."""
    clusters = sorted({snapshot_set.cluster for snapshot_set in sets})
    if len(clusters) > 1:
        names = ", ".join(cluster or "an unknown one" for cluster in clusters)
        raise QdrantctlError(
            f"{request.url} holds sets of {reference.address} of several clusters: {names}",
            hint=f"Name one of them, as in --of-cluster {clusters[-1]}.",
        )


def _matches(snapshot_set: SetInfo, reference: SetReference, request: RestoreRequest) -> bool:
    """Whether a set with a manifest matches; a set given by its id may be damaged."""
    if snapshot_set.collection != reference.address.name:
        return False
    if reference.id:
        return snapshot_set.id == reference.id
    if snapshot_set.state != "complete" and not (
        request.ignore_verdict and snapshot_set.has_bad_verdict
    ):
        return False
    return request.at is None or _taken_at(snapshot_set) <= request.at


def _taken_at(snapshot_set: SetInfo) -> datetime:
    assert snapshot_set.taken  # it has a manifest
    return snapshot_set.taken


def _require_single_owner(
    sets: Iterable[SetInfo], reference: SetReference, request: RestoreRequest
) -> None:
    """Raises QdrantctlError for sets of several owners."""
    # Under a previous name it is the same owner.
    current, *previous = request.owners
    owners = sorted(
        {current if snapshot_set.owner in previous else snapshot_set.owner for snapshot_set in sets}
    )
    if len(owners) > 1:
        raise QdrantctlError(
            f"{request.url} holds sets of {reference.address} of {', '.join(owners)}",
            hint=f"Name the folder of one of them, as in --from {request.url}/{owners[0]}.",
        )
