"""QC219: the server's limit of collections, with the ledger and the lease of qdrantctl."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.lease import lease_name
from qdrantctl.model.server import CollectionLimit
from qdrantctl.model.step import Call, Restore, Snapshot, Step
from qdrantctl.model.violation import Violation

_TRIAL = "a temporary collection"
_PATH_PARTS = 3
"""Of `/collections/{name}`."""


def check_collection_limit(
    steps: Iterable[Step], limit: CollectionLimit | None, *owners: str
) -> Iterator[Violation]:
    """A violation if the server cannot hold all collections that exist at once during a run.

    `steps` are all steps of the plan, in their order. While they run there is the lease of each of
    `owners`, too. A run that is going on has it already, so it is counted once. A safety snapshot
    is restored on trial, to a temporary collection.
    """
    values = [step.value for step in steps]
    if limit is None or not values:
        return
    lease_prefixes = tuple(lease_name(owner, "") for owner in owners)
    names = {name for name in limit.names if not name.startswith(lease_prefixes)}
    existing = len(names)
    names |= set(lease_prefixes)
    most = set(names)
    for value in values:
        trial: set[str] = {_TRIAL} if isinstance(value, Snapshot) else set()
        if isinstance(value, Call):
            _follow_call(names, value)
        elif isinstance(value, Restore):
            names.add(value.object_name)
        most = max(most, names | trial, key=len)
    if len(most) <= limit.most:
        return
    creates_ledger = OWN_PREFIX in most and OWN_PREFIX not in limit.names
    lease = "the lease" if len(owners) == 1 else "the leases"
    own = f"the ledger and {lease} of qdrantctl" if creates_ledger else f"{lease} of qdrantctl"
    yield Violation(
        rule="QC219",
        message=f"the server holds at most {limit.most} collections, and this plan needs "
        f"{len(most)} at the same time: {existing} exist, {len(most) - existing} are added, "
        f"{own} among them",
        hint="Raise storage.max_collections of the server, or delete a collection. The ledger and "
        "a lease are collections, too; a lease exists only while an apply or a job runs, and so "
        "does the collection in which a snapshot is tested.",
    )


def _follow_call(names: set[str], call: Call) -> None:
    """Add a collection that a request creates, or take away one that it deletes."""
    parts = call.path.split("/")
    if len(parts) != _PATH_PARTS or parts[1] != "collections":
        return
    if call.method == "PUT":
        names.add(unquote(parts[2]))
    elif call.method == "DELETE":
        names.discard(unquote(parts[2]))
