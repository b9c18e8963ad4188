"""The flow of `snapshots restore`: a plan of one collection and its aliases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from qdrantctl import __version__
from qdrantctl.edges import ledger
from qdrantctl.edges.settings import Settings
from qdrantctl.flows import stand_in
from qdrantctl.flows.desired import Desired
from qdrantctl.flows.observe import Worlds
from qdrantctl.flows.plan import described
from qdrantctl.flows.recover import Source
from qdrantctl.flows.standing import Standing, Wish, standing, there
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import QdrantctlError, UsageError
from qdrantctl.model.kind import Door
from qdrantctl.model.plan import Plan
from qdrantctl.model.resource import Inventory
from qdrantctl.model.rule import ABSENT, Json
from qdrantctl.model.snapshot import Taken
from qdrantctl.model.snapshot import kept as known_snapshots
from qdrantctl.model.step import Call, Restore, Snapshot, Step, collection_path


@dataclass(frozen=True, slots=True)
class Restoring:
    """A restore that is planned."""

    plan: Plan
    step: Restore
    taken: Taken
    standing: Standing
    """What is under the new name, and what must be there again."""
    entry: Mapping[str, Json]
    """The ledger's entry that tells of the snapshot."""
    listed: bool
    """Whether a collection of the old name exists."""
    source: Source | None = None
    """Where the bytes come from; None where they are the ledger's snapshot."""

    @property
    def address(self) -> Address:
        """What is made."""
        return self.standing.address


def restoring(settings: Settings, door: Door, words: str, wish: Wish, now: datetime) -> Restoring:
    """What restoring `words` (`collection/NAME` or `collection/NAME@ID`) would do. Reads only.

    Raises QdrantctlError where there is no such snapshot, or the name is taken.
    """
    memory = ledger.read(door)
    address, entry, taken = _found(memory, settings, words)
    open_before = entry.get("restoring") or {}
    again = open_before.get("snapshot") == taken.id and "as" in open_before
    name = wish.name
    if name is None:
        default = f"{address.name}-restored-{now:%Y%m%d-%H%M%S}"
        name = str(open_before["as"]) if again else default
    again = again and open_before.get("as") == name
    left = bool(open_before.get("stand_in")) and stand_in.is_one(door, address.name)
    listed = address in there(door, address) and not left
    stays = listed and name != address.name
    if name == address.name and not stays and stand_in.needed(door.server):
        raise stand_in.unread(door.server, address)
    found = standing(settings, door, name, wish, taken.aliases, resuming=again)
    nodes = settings.nodes if door.server.peers > 1 else ()
    step = Restore(collection=address.name, snapshot=taken.id, name=name, nodes=nodes)
    points = "1 point" if taken.points == 1 else f"{taken.points:,} points"
    because = f"from {address}@{taken.id}: {points}, {taken.size:,} bytes"
    if again:
        because += "; an interrupted restore did not finish it"
    made = planned(settings, door, memory, found, taken, step, because)
    return Restoring(made, step, taken, found, entry, listed)


def planned(
    settings: Settings,
    door: Door,
    memory: ledger.Memory,
    found: Standing,
    taken: Taken,
    step: Restore,
    because: str,
    *,
    ours: bool = True,
) -> Plan:
    """A plan of one collection and its aliases. `ours` says that this owner took the snapshot."""
    steps = [Step(restore=step)]
    if found.live:
        held = found.live.facts.points
        because += f"; in place of one with {'unknown' if held is None else f'{held:,}'} points"
        snapshot = Snapshot(collection=step.name, nodes=step.nodes)
        down = Call(method="DELETE", path=collection_path(step.name))
        steps = [Step(snapshot=snapshot), Step(call=down), *steps]
    change = Change(
        address=str(found.address),
        action=Action.REPLACE if found.live else Action.CREATE,
        cause=Cause.NEW,
        because=because,
        steps=tuple(steps),
        record=found.record(taken if ours else None) if found.ours else ABSENT,
    )
    return Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=described(door, Worlds(Inventory(), Inventory(), memory)),
        manifests_digest=Desired(Inventory(), ()).digest,
        changes=(change, *found.moves()),
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
            known = {taken.id: taken for taken in known_snapshots(entry)}
        except ValueError:
            raise QdrantctlError(f"the ledger's entry of {address} cannot be read") from None
        if known and (wanted or list(known)[-1]) in known:
            return address, entry, known[wanted or list(known)[-1]]
    raise QdrantctlError(
        f"the ledger knows no snapshot {words}",
        hint="`qdrantctl snapshots list` tells which there are.",
    )
