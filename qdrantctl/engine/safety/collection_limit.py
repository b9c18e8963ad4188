"""QC219: the server's limit of collections, with the ledger and the lease of qdrantctl."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.lease import lease_name
from qdrantctl.model.server import CollectionLimit
from qdrantctl.model.step import Call, Snapshot, Step
from qdrantctl.model.violation import Violation

_TRIAL = "a temporary collection"
_PATH_PARTS = 3
"""Of `/collections/{name}`."""


def check_collection_limit(
    steps: Iterable[Step], limit: CollectionLimit | None, owner: str
) -> Iterator[Violation]:
    """A violation if the server cannot hold all collections that exist at once during an apply.

    `steps` are all steps of the plan, in their order. While they run there is the owner's lease,
    too. An apply that is running has it already, so it is counted once. A safety snapshot is
    restored on trial, to a temporary collection.
    """
    values = [step.value for step in steps]
    if limit is None or not values:
        return
    lease_prefix = lease_name(owner, "")
    names = {name for name in limit.names if not name.startswith(lease_prefix)}
    existing = len(names)
    names.add(lease_prefix)
    most = set(names)
    for value in values:
        trial: set[str] = {_TRIAL} if isinstance(value, Snapshot) else set()
        if isinstance(value, Call):
            _follow_call(names, value)
        most = max(most, names | trial, key=len)
    if len(most) <= limit.most:
        return
    creates_ledger = OWN_PREFIX in most and OWN_PREFIX not in limit.names
    own = "the ledger and the lease of qdrantctl" if creates_ledger else "the lease of qdrantctl"
    yield Violation(
        rule="QC219",
        message=f"the server holds at most {limit.most} collections, and this plan needs "
        f"{len(most)} at the same time: {existing} exist, {len(most) - existing} are added, "
        f"{own} among them",
        hint="Raise storage.max_collections of the server, or delete a collection. The ledger and "
        "the lease are collections, too; the lease exists only while an apply runs, and so does "
        "the one in which a safety snapshot is tested.",
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
