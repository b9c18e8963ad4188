"""The flow of `snapshots restore`: a plan of one change, and carrying it out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from qdrantctl import __version__
from qdrantctl.edges import ledger
from qdrantctl.edges.settings import Settings
from qdrantctl.flows import stand_in
from qdrantctl.flows.desired import Desired
from qdrantctl.flows.execute import wait_green
from qdrantctl.flows.nodes import Work
from qdrantctl.flows.observe import Worlds, observe
from qdrantctl.flows.plan import described
from qdrantctl.flows.recover import Source, patiently, recover
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import ClusterError, QdrantctlError, UsageError
from qdrantctl.model.kind import Asked, Door
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.resource import Inventory, canonical
from qdrantctl.model.rule import Json, same
from qdrantctl.model.snapshot import Taken, kept
from qdrantctl.model.step import Restore, Step

KIND = "collection"
SOUND = ("green", "grey")
"""A collection is grey whose indexing goes on with its next write."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """A restore that is planned."""

    plan: Plan
    step: Restore
    taken: Taken
    entry: Mapping[str, Json]
    """The ledger's entry that tells of the snapshot."""
    listed: bool
    """Whether a collection of the old name exists."""
    source: Source | None = None
    """Where the bytes come from; None where they are the ledger's snapshot."""

    @property
    def address(self) -> Address:
        """What is made."""
        return Address(KIND, self.step.name)


def restoring(
    settings: Settings, door: Door, words: str, name: str | None, now: datetime
) -> Restoring:
    """What restoring `words` (`collection/NAME` or `collection/NAME@ID`) would do. Reads only.

    Raises QdrantctlError where there is no such snapshot, or the name is taken.
    """
    memory = ledger.read(door)
    address, entry, taken = _found(memory, settings, words)
    open_before = entry.get("restoring") or {}
    again = open_before.get("snapshot") == taken.id
    if name is None:
        default = f"{address.name}-restored-{now:%Y%m%d-%H%M%S}"
        name = str(open_before["as"]) if again else default
    again = again and open_before.get("as") == name
    live = there(door, address, Address(KIND, name), Address("alias", name))
    left = bool(open_before.get("stand_in")) and stand_in.is_one(door, address.name)
    listed = address in live and not left
    if name == address.name and not listed and stand_in.needed(door.server):
        raise QdrantctlError(
            f"Qdrant {door.server.version} gives out the snapshots of {address} only while a "
            "collection of that name exists",
            hint="Restore under another name with --as NAME, and give it the old one as an alias.",
        )
    free(name, live, door, resuming=again)
    nodes = settings.nodes if door.server.peers > 1 else ()
    step = Restore(collection=address.name, snapshot=taken.id, name=name, nodes=nodes)
    points = "1 point" if taken.points == 1 else f"{taken.points:,} points"
    because = f"from {address}@{taken.id}: {points}, {taken.size:,} bytes"
    if again:
        because += "; an interrupted restore did not finish it"
    return Restoring(planned(settings, door, memory, step, because), step, taken, entry, listed)


def planned(
    settings: Settings, door: Door, memory: ledger.Memory, step: Restore, because: str
) -> Plan:
    """A plan of one change."""
    change = Change(
        address=f"{KIND}/{step.name}",
        action=Action.CREATE,
        cause=Cause.NEW,
        because=because,
        steps=(Step(restore=step),),
    )
    return Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=described(door, Worlds(Inventory(), Inventory(), memory)),
        manifests_digest=Desired(Inventory(), ()).digest,
        changes=(change,),
    )


def _found(
    memory: ledger.Memory, settings: Settings, words: str
) -> tuple[Address, Mapping[str, Json], Taken]:
    """Whose snapshot is meant, and which: without an id the latest. Raises QdrantctlError."""
    name, at, mark = words.rpartition("@")
    for text, wanted in ((words, ""), (name, mark)) if at else ((words, ""),):
        try:
            address = Address.parse(text)
        except ValueError as error:
            raise UsageError(str(error), hint="As in collection/products@ID.") from None
        entry = memory.entries.get(address)
        if entry is None:
            continue
        if entry["owner"] not in {settings.owner, *settings.previous_owners}:
            raise QdrantctlError(f"{address} is owned by {entry['owner']}, not {settings.owner}")
        try:
            known = {taken.id: taken for taken in kept(entry)}
        except ValueError:
            raise QdrantctlError(f"the ledger's entry of {address} cannot be read") from None
        if known and (wanted or list(known)[-1]) in known:
            return address, entry, known[wanted or list(known)[-1]]
    raise QdrantctlError(
        f"the ledger knows no snapshot {words}",
        hint="`qdrantctl snapshots list` tells which there are.",
    )


def there(door: Door, *only: Address) -> Inventory:
    """Which of these exist."""
    asked = Asked(Inventory(), Inventory(), only=frozenset(only))
    return observe(door, asked)


def free(name: str, live: Inventory, door: Door, *, resuming: bool) -> None:
    """Raises QdrantctlError when the collection may not be made."""
    reason = unsendable(name)
    if not reason and name.startswith(OWN_PREFIX):
        reason = f"names that begin with {OWN_PREFIX} are the tool's own"
    if reason:
        raise UsageError(f"--as {name!r}: {reason}")
    taken = [a for a in (Address(KIND, name), Address("alias", name)) if a in live]
    if taken and not (resuming and taken[0].kind == KIND):
        raise QdrantctlError(
            f"{taken[0]} exists on {door.server.url}; nothing was done",
            hint="Restore under another name with --as NAME, and move an alias or the data then.",
        )


def restore(made: Restoring, work: Work) -> Report:
    """Carry it out. What was begun is written down first, so that the next run can go on."""
    started = time.monotonic()
    begun = {"as": made.step.name, "snapshot": made.taken.id}
    if not made.listed and stand_in.needed(work.door.server):
        begun["stand_in"] = made.step.collection
    if made.source is None:
        ledger.write(work.door, [{**made.entry, "restoring": begun}])
    error, missed = "", tuple[str, ...]()
    try:
        missed = carried_out(made, work)
    except QdrantctlError as failure:
        words = (failure.what, failure.why, failure.hint)
        error = ". ".join(word.rstrip(".") for word in words if word) + "."
    over = not (error or missed) or (error and _nothing(made, work.door))
    if made.source is None and over:
        plain = {word: value for word, value in made.entry.items() if word != "restoring"}
        ledger.write(work.door, [plain])
    outcome = Outcome(
        address=str(made.address),
        action=Action.CREATE,
        status=Status.FAILED if error else Status.NOT_TAKEN if missed else Status.DONE,
        error=error,
        missed=missed,
        seconds=round(time.monotonic() - started, 3),
    )
    return Report(
        project=made.plan.project,
        environment=made.plan.environment,
        url=made.plan.server.url,
        plan_digest=str(made.plan.document()["digest"]),
        outcomes=(outcome,),
        interrupted=work.stop(),
    )


def carried_out(made: Restoring, work: Work) -> tuple[str, ...]:
    """Make the collection; what is not as it was. Raises QdrantctlError."""
    missed = recover(made.step, made.taken, work, listed=made.listed, source=made.source)

    def told(address: Address, status: str, indexed: int, points: int) -> None:
        work.say(f"{address}: {status}, {indexed:,} of {points:,} points indexed")

    statuses = wait_green(work.door, [made.address], told, work.stop).values()
    settings = patiently(lambda: _settings_missed(made, work.door))
    return (*missed, *settings, *(f"status ({word})" for word in statuses if word not in SOUND))


def _nothing(made: Restoring, door: Door) -> bool:
    """Whether nothing was left to go on with; where that cannot be seen the next run does."""
    old = made.step.collection
    with suppress(ClusterError):
        left = not made.listed and stand_in.needed(door.server) and stand_in.is_one(door, old)
        return made.address not in there(door, made.address) and not left
    return False


def _settings_missed(made: Restoring, door: Door) -> tuple[str, ...]:
    """Settings that are not as they were when the snapshot was taken."""
    only = frozenset({made.address})
    found = observe(door, Asked(Inventory(), Inventory(), details=only, only=only))
    now, then = found[made.address].spec if made.address in found else {}, made.taken.spec
    words = sorted({*now, *then})
    return tuple(
        f"{word} (was {canonical(then.get(word))}, is {canonical(now.get(word))})"
        for word in words
        if not same(now.get(word), then.get(word))
    )
