"""Safety rules about aliases: where their readers are led, and what takes an alias away."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.hidden import describe_hidden, find_hidden, show_way_out
from qdrantctl.engine.safety.context import (
    Problem,
    SafetyInput,
    describe_points,
    may_hold_points,
    require_consent,
)
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.collection_status import GREEN, GREY, explain_grey
from qdrantctl.model.resource import Resource
from qdrantctl.model.violation import Severity, Violation


def check_hidden_collections(inputs: SafetyInput) -> Iterator[Problem]:
    """QC224: a name that is a collection and an alias of another one; an error if it is planned."""
    live = inputs.context.live
    hidden_ones = [address for address, resource in live.items() if resource.facts.hidden_by]
    if not hidden_ones:
        return
    planned = {
        find_hidden(change.parsed_address, live, inputs.kinds)
        for change in inputs.changes
        if change.action is Action.REFUSED or inputs.kinds[change.parsed_address.kind].holds_data
    }
    for hidden in hidden_ones:
        yield Problem(
            Violation(
                rule="QC224",
                severity=Severity.ERROR if hidden in planned else Severity.WARNING,
                address=str(hidden),
                message=describe_hidden(hidden, live),
                hint=show_way_out(hidden, live),
            )
        )


def check_vanishing_aliases(inputs: SafetyInput) -> Iterator[Problem]:
    """QC205: an alias of a deleted collection vanishes with it, and is not part of the plan."""
    deleted = {c.parsed_address for c in inputs.changes if c.action is Action.DELETE}
    moving = {c.parsed_address for c in inputs.changes if c.action in (Action.UPDATE, Action.ADOPT)}
    vanishing = [
        (ref, other)
        for other, resource in inputs.context.live.items()
        if deleted and other not in deleted and other not in moving and other.kind in inputs.kinds
        for ref in inputs.kinds[other.kind].references(resource.spec)
        if ref in deleted
    ]
    for address, other in sorted(vanishing):
        message = (
            f"{other} points to {address} and is not part of this plan; it would vanish with it"
        )
        violation = Violation(
            rule="QC205",
            address=str(address),
            message=message,
            hint=f"Move or delete {other} first, or consent to delete {address}.",
        )
        note = Violation(
            rule="QC205",
            severity=Severity.NOTE,
            address=str(address),
            message=f"{other} points to {address} and vanishes with it",
        )
        yield Problem(violation, allowed_by=("delete", address), once_allowed=note)


def check_moved_aliases(inputs: SafetyInput) -> Iterator[Problem]:
    """QC206: a name that leaves points for a collection with fewer, or one that is not ready.

    An alias that becomes a collection of its own name leads its readers to an empty one.
    """
    for change in inputs.changes:
        targets = find_alias_targets(change, inputs)
        if not targets:
            continue
        old, new = (inputs.context.live.get(address) for address in targets)
        if old is None or not may_hold_points(old):
            continue
        replaced = any(c.parsed_address == targets[1] and c.destroys for c in inputs.changes)
        if state := _describe_shortfall(old, None if replaced else new, inputs.alias_min_ratio):
            message = (
                f"{change.address} would move from {targets[0]} with {describe_points(old)} to "
                f"{targets[1]}, which {state}"
            )
            help_text = ""
            if new is not None and new.facts.status == GREY:
                help_text = f"{targets[1]}: {explain_grey(new.object_name)}"
            yield require_consent("alias", change, "QC206", message, inputs, help_text)


def _describe_shortfall(old: Resource, new: Resource | None, min_ratio: float) -> str:
    """What the new target of an alias lacks beside the old one; empty for nothing."""
    if new is None or not may_hold_points(new):
        return "is empty"
    if new.facts.status != GREEN:
        return f"is {new.facts.status or 'unreadable'}"
    if reason := new.facts.uncountable or old.facts.uncountable:
        uncounted = new if new.facts.uncountable else old
        return f"may hold fewer: {uncounted.address} cannot be counted exactly ({reason})"
    before, after = old.facts.points, new.facts.points
    if before is not None and after is not None and after < min_ratio * before:
        return f"has {describe_points(new)}, below alias_min_ratio {min_ratio:g}"
    return ""


def find_alias_targets(change: Change, inputs: SafetyInput) -> tuple[Address, Address] | None:
    """What a change of an alias stops leading to, and what the name leads to instead."""
    kinds, address = inputs.kinds, change.parsed_address
    desired, live = inputs.context.desired, inputs.context.live
    stated = live.get(address)
    old = tuple(kinds[address.kind].references(stated.spec)) if stated else ()
    new: tuple[Address, ...] = ()
    if change.action in (Action.UPDATE, Action.ADOPT) and address in desired:
        new = tuple(kinds[address.kind].references(desired[address].spec))
    elif change.action is Action.DELETE and kinds[address.kind].namespace:
        new = tuple(
            Address(kind.name, address.name)
            for kind in kinds.values()
            if kind.namespace == kinds[address.kind].namespace
            and Address(kind.name, address.name) in desired
        )
    return (old[0], new[0]) if old and new and old != new else None


def describe_alias_moves(inputs: SafetyInput) -> tuple[Change, ...]:
    """The changes; where an alias moves, its field names the points on both sides."""
    return tuple(_with_points(change, inputs) for change in inputs.changes)


def _with_points(change: Change, inputs: SafetyInput) -> Change:
    targets = find_alias_targets(change, inputs)
    if not targets or not change.fields:
        return change
    old, new = (inputs.context.live.get(address) for address in targets)
    counts = f"{_count_points(old)} -> {_count_points(new)}"
    fields = (_with_counts(field, counts) for field in change.fields)
    return change.model_copy(update={"fields": tuple(fields)})


def _with_counts(field: FieldChange, counts: str) -> FieldChange:
    return field.model_copy(update={"because": f"{field.because}, {counts}"})


def _count_points(live: Resource | None) -> str:
    points = live.facts.points if live else 0
    if points is None:
        return "unknown points"
    return "1 point" if points == 1 else f"{points:,} points"


def check_recreated_aliases(inputs: SafetyInput) -> Iterator[Problem]:
    """QC211: a replaced collection is created again with its aliases."""
    for change in inputs.changes:
        live = inputs.context.live.get(change.parsed_address)
        is_recreated = change.action is Action.REPLACE and change.destroys
        if is_recreated and live and live.facts.aliases:
            yield Problem(
                Violation(
                    rule="QC211",
                    severity=Severity.NOTE,
                    address=change.address,
                    message="it is recreated with its aliases: " + ", ".join(live.facts.aliases),
                )
            )
