"""The input of the planner, and its changes before their steps are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import date
from enum import StrEnum
from functools import cached_property

from qdrantctl.engine.diff import KnownDiffs
from qdrantctl.engine.planning.selection import Selection
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, FieldChange
from qdrantctl.model.consent import Consent
from qdrantctl.model.frozen import frozen
from qdrantctl.model.object_names import SAME_NAMES, ObjectNames
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import UNKNOWN, Server
from qdrantctl.model.spec import Path
from qdrantctl.model.spec_memo import SpecMemo


class RecordOrigin(StrEnum):
    """Where the records of another owner come from, as far as the project file shows."""

    HERE = "here"
    """Its environment has this URL, or applied it at this URL."""
    COPIED = "copied"
    """Its environment has another URL, or this cluster is known to be a copy."""


@frozen
class PlanInput:
    """Everything that a plan is computed from."""

    owner: str
    server: Server
    today: date
    desired: Inventory
    live: Inventory
    remembered: Inventory
    """Every ledger record of an existing resource, of any owner."""
    names: ObjectNames = SAME_NAMES
    """The names of collections on the cluster."""
    previous_owners: frozenset[str] = frozenset()
    cloned_owners: frozenset[str] = frozenset()
    """Those of the previous owners whose records came along with a copy of their cluster."""
    origins: Mapping[str, RecordOrigin] = field(default_factory=dict)
    """Of other owners with records: whether they manage this cluster, or one it is a copy of."""
    partial: bool = False
    """The desired state is only a part: nothing is deleted or forgotten."""
    removed: frozenset[Address] = frozenset()
    """Resources to stop managing."""
    destroy: Mapping[Address, str] = field(default_factory=dict)
    """Recorded resources that are deleted by name, and not desired, with the reason. Nothing else
    is planned."""
    versions: Mapping[Address, int] = field(default_factory=dict)
    """By the committed state. Where that has none, the version follows from the record."""
    selection: Selection = field(default_factory=Selection)
    consents: Sequence[Consent] = ()
    """A consent to delete distinguishes a delete and a create from a rename."""
    on_drift: Callable[[Address], str] = field(default=lambda _: "revert")
    """revert, keep or refuse: the policy for fields that changed on the cluster."""
    no_snapshot: Callable[[Address], bool] = field(default=lambda _: False)
    """Whether points are destroyed without a snapshot."""
    nodes: tuple[str, ...] = ()
    """The URL of each node, if stated."""
    replacements: Mapping[Address, ReplacementRecord] = field(default_factory=dict)
    """Replacements without downtime that are under way, or whose old collection is kept."""
    retirable: frozenset[Address] = frozenset()
    """Those whose old collection has been kept long enough."""

    diffs: KnownDiffs = field(default_factory=SpecMemo, compare=False)
    creations: SpecMemo[tuple[FieldChange, ...]] = field(default_factory=SpecMemo, compare=False)
    """The fields of new resources, at the places of the first one with their spec."""

    @property
    def is_offline(self) -> bool:
        """Whether there is no server: the plan has no steps then."""
        return self.server.version == UNKNOWN and not self.server.url

    @cached_property
    def recorded(self) -> Inventory:
        """The records of this owner, under its present name or a previous one."""
        owners = {self.owner, *self.previous_owners}
        records = self.remembered.values()
        return Inventory(r for r in records if r.record and r.record.owner in owners)


@frozen
class DraftChange:
    """A change before its steps are known."""

    address: Address
    action: Action
    fields: tuple[FieldChange, ...] = ()
    because: str = ""
    unapplied: frozenset[Path] = frozenset()
    """Parts of the spec that the manifest changed and this change does not apply: the record
    keeps its value there."""
