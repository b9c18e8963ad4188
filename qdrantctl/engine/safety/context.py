"""The input of the safety rules, and the problems that they find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from qdrantctl.model.address import Address
from qdrantctl.model.change import Change
from qdrantctl.model.consent import Verb
from qdrantctl.model.frozen import frozen
from qdrantctl.model.gates import Gates
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.snapshots.snapshot import UnfinishedRestore
from qdrantctl.model.violation import Violation


def _always_revert(_: Address) -> str:
    return "revert"


def _never_waived(_: Address) -> bool:
    return False


@frozen
class SafetyInput:
    """The input of the rules. It has no consents: a rule states facts about the plan."""

    changes: Sequence[Change]
    context: Context
    kinds: Mapping[str, Kind]
    environment: str = ""
    """Its name, for the commands that hints print."""
    protected: bool = False
    """The environment is protected: more changes need a consent, given in the project file."""
    on_drift: Callable[[Address], str] = _always_revert
    """revert, keep or refuse, for each address."""
    no_snapshot: Callable[[Address], bool] = _never_waived
    """Whether the operator skips the snapshot before points are destroyed."""
    nodes: tuple[str, ...] = ()
    """The URL of each node, if stated."""
    unfinished_restores: Mapping[Address, UnfinishedRestore] = field(default_factory=dict)
    """Restores to these collections that the ledger records as started and not as ended."""
    destroyed: Inventory = field(default_factory=Inventory)
    """What manifests state and the operator destroys by name; not part of what is desired."""
    max_deletes: int | None = None
    gates: Gates = field(default_factory=Gates)
    partial: bool = False
    cloned_owners: frozenset[str] = frozenset()
    """Owners whose records a consent adopts, as this cluster is a copy of theirs."""
    replacements: Mapping[Address, ReplacementRecord] = field(default_factory=dict)
    """Replacements without downtime that are under way, or whose old collection is kept."""
    retirable: frozenset[Address] = frozenset()
    """Those whose old collection has been kept long enough."""
    retire: frozenset[Address] = frozenset()
    """Those whose old collection the operator deletes by name."""
    alias_min_ratio: float = 0.9
    """An alias moves without consent to a collection with this share of the points of the old one.
    """


@frozen
class Problem:
    """A violation that a safety rule found, and the consent that would allow it."""

    violation: Violation
    allowed_by: tuple[Verb, Address] | None = None
    """None if no consent allows it."""
    once_allowed: Violation | None = None
    """A note that stays in the plan where a consent allows it."""


def require_consent(
    verb: Verb, change: Change, rule: str, message: str, inputs: SafetyInput, alternative: str = ""
) -> Problem:
    """A problem that a consent to `verb` on the changed resource allows; its hint states how.

    `alternative` is added to the hint.
    """
    hint = hint_at_consent(verb, change.address, inputs)
    violation = Violation(
        rule=rule,
        address=change.address,
        message=message,
        hint=f"{hint} {alternative}".rstrip(),
    )
    return Problem(violation, allowed_by=(verb, change.parsed_address))


def hint_at_consent(verb: Verb, address: str, inputs: SafetyInput) -> str:
    """How to give a consent."""
    entry = f"{{{verb}: {address}, until: YYYY-MM-DD, reason: …}}"
    if inputs.protected:
        way = "add to consents in qdrantctl.yaml and commit"
        return f"The environment is protected: {way} {entry}."
    flag = "--adopt" if verb == "adopt" else f"--allow-{verb}"
    return f"Allow it with {flag} {address}, or under consents in qdrantctl.yaml: {entry}."


def from_state(change: Change, inputs: SafetyInput) -> bool:
    """Whether only the committed state, and not the ledger, has it as managed by this project."""
    applied = inputs.context.recorded.get(change.parsed_address)
    return applied is not None and applied.is_from_state


def may_hold_points(live: Resource | None) -> bool:
    """An unknown number of points counts as some."""
    return live is not None and live.facts.points != 0


def describe_points(live: Resource | None) -> str:
    """The points of a collection, in words."""
    points = live.facts.points if live else None
    if points is None:
        reason = live.facts.uncountable if live else ""
        return f"its points (their number is unknown{f': {reason}' if reason else ''})"
    if points == 0:
        return "the collection, which is empty"
    return "1 point" if points == 1 else f"{points:,} points"
