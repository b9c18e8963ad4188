"""Which snapshot set of a destination a restore means, and which newer ones it skips. Pure."""

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
"""Sets of which it is said why they are not taken."""
_FORM = "As in collection/products@ID."


@dataclass(frozen=True, slots=True)
class SetReference:
    """`collection/NAME` or `collection/NAME@ID`; the newest set where no id is given."""

    address: Address
    id: str = ""

    @classmethod
    def parse(cls, text: str, known_names: Collection[str]) -> SetReference:
        """Names of collections may hold an `@`, too: those known come first. Raises UsageError."""
        name, at, set_id = text.rpartition("@")
        try:
            reference = cls(Address.parse(text))
            if at and reference.address.name not in known_names:
                reference = cls(Address.parse(name), "" if set_id == LATEST else set_id)
        except ValueError as error:
            raise UsageError(str(error), hint=_FORM) from None
        if reference.address.kind != "collection":
            raise UsageError(f"{reference.address} is no collection", hint=_FORM)
        return reference


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What the operator asks for."""

    reference: str
    """`collection/NAME`, `collection/NAME@ID` or `collection/NAME@latest`."""
    url: str
    """The destination, for messages."""
    owners: tuple[str, ...]
    """The caller, then its previous names."""
    at: datetime | None = None
    """The newest set that was taken until then."""
    this_cluster: str = ""
    """Id of the cluster that asks; empty where it has none, and so has taken no set."""
    cluster: str = ""
    """Id of the cluster whose sets are meant; empty for the one that asks."""

    @property
    def hint(self) -> str:
        """What to do where no set can be chosen."""
        return f"`qdrantctl snapshots list --from {self.url}` tells which there are."


@dataclass(frozen=True, slots=True)
class SetChoice:
    """The set that is meant."""

    chosen: SetInfo
    skipped: tuple[SetInfo, ...] = ()
    """Newer ones that are not complete, where none was named by its id."""


def choose_set(sets: Iterable[SetInfo], request: RestoreRequest, now: datetime) -> SetChoice:
    """The set that a request means.

    Raises UsageError for a reference that means none, QdrantctlError where no set or those of
    several owners match, StoreError where the set is damaged.
    """
    sets = list(sets)
    with_manifest = [each for each in sets if each.has_manifest]
    reference = SetReference.parse(request.reference, {each.collection for each in with_manifest})
    if reference.id and request.at:
        raise UsageError("name the set by its ID or by --at, not by both")
    meant = [each for each in with_manifest if _matches(each, reference, request.at)]
    matching = _sets_of_cluster(meant, reference, request)
    if not matching:
        refused = (f"{each.folder}: {each.damage}." for each in sets if each.state == "orphan")
        raise QdrantctlError(
            f"{request.url} holds no set {request.reference} that is whole",
            why=" ".join(list(refused)[:_SHOWN]),
            hint=request.hint,
        )
    _require_single_owner(matching, reference, request)
    _require_single_cluster(matching, reference, request)
    # What is further ahead was dated by a clock that was wrong; it is there to be named.
    until = now + CLOCK_SKEW
    best = max(matching, key=lambda each: (_taken(each) <= until, _taken(each)))
    if best.state not in ("complete", "leaving"):
        raise StoreError(
            f"the set {best.folder} at {request.url} "
            f"{'is damaged' if best.state == 'bad' else 'cannot be understood'}",
            why=best.damage,
            hint=request.hint,
        )
    if reference.id:
        return SetChoice(best)
    until = min(request.at or until, until)
    newer = (
        each
        for each in sets
        if each.collection == best.collection
        and (each.cluster, each.origin) == (best.cluster, best.origin)
        and each.taken
        and _taken(best) < each.taken <= until
        and each.state != "complete"
    )
    return SetChoice(best, tuple(newer))


def _sets_of_cluster(
    sets: list[SetInfo], reference: SetReference, request: RestoreRequest
) -> list[SetInfo]:
    """Those that the caller may mean: its own, unless it names another cluster, or the very set.

    A set that names no cluster is taken where its id was given, one that stands alone at the
    destination always: then the destination names it. A cluster that has never taken a set can
    only mean those of another one. Raises QdrantctlError where only other sets match.
    """
    if request.cluster:
        return [each for each in sets if each.cluster == request.cluster]
    named = [each for each in sets if not each.folder]
    own = [each for each in sets if each.origin == "own"]
    unnamed = [each for each in sets if each.origin == "unknown" and reference.id]
    chosen = named or own or unnamed or ([] if request.this_cluster else sets)
    if chosen or not sets:
        return chosen
    each = max(sets, key=_taken)
    where = {
        "other": f"of the cluster {each.cluster}",
        "unrecorded": "not recorded in the ledger of this cluster",
    }.get(each.origin, "of an unknown cluster, since it was taken by qdrantctl up to 0.1.0")
    way = f"@{each.id}" if each.origin == "unknown" else ""
    flag = "" if way else f" --of-cluster {each.cluster}"
    raise QdrantctlError(
        f"{request.url} holds no set {request.reference} that this cluster has taken",
        why=f"The newest one there, {each.folder}, is {where}.",
        hint=f"If that one is meant: qdrantctl snapshots restore {reference.address}{way} "
        f"--from {request.url}{flag}",
    )


def _require_single_cluster(
    sets: Iterable[SetInfo], reference: SetReference, request: RestoreRequest
) -> None:
    """Raises QdrantctlError where sets of several clusters are meant."""
    clusters = sorted({each.cluster for each in sets})
    if len(clusters) > 1:
        names = ", ".join(cluster or "an unknown one" for cluster in clusters)
        raise QdrantctlError(
            f"{request.url} holds sets of {reference.address} of several clusters: {names}",
            hint=f"Name one of them, as in --of-cluster {clusters[-1]}.",
        )


def _matches(each: SetInfo, reference: SetReference, at: datetime | None) -> bool:
    """Whether a set with a manifest is one that is meant; one that is named may be damaged."""
    if each.collection != reference.address.name:
        return False
    if reference.id:
        return each.id == reference.id
    return each.state == "complete" and (at is None or _taken(each) <= at)


def _taken(each: SetInfo) -> datetime:
    assert each.taken  # it has a manifest
    return each.taken


def _require_single_owner(
    sets: Iterable[SetInfo], reference: SetReference, request: RestoreRequest
) -> None:
    """Raises QdrantctlError where there are sets of several owners."""
    # Under a previous name it is the same owner.
    current, *previous = request.owners
    owners = sorted({current if each.owner in previous else each.owner for each in sets})
    if len(owners) > 1:
        raise QdrantctlError(
            f"{request.url} holds sets of {reference.address} of {', '.join(owners)}",
            hint=f"Name the folder of one of them, as in --from {request.url}/{owners[0]}.",
        )
