"""Safety rules: one function each. They block apply, never the plan itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qdrantctl.engine.planning.drift_policy import is_external_change
from qdrantctl.engine.planning.safety_snapshot import (
    destroys_points,
    missing_nodes_violation,
    points_at_risk,
    skipped_snapshot,
)
from qdrantctl.engine.safety.aliases import (
    check_hidden_collections,
    check_moved_aliases,
    check_recreated_aliases,
    check_vanishing_aliases,
    find_alias_targets,
)
from qdrantctl.engine.safety.context import (
    Problem,
    SafetyInput,
    describe_points,
    from_state,
    may_hold_points,
    require_consent,
)
from qdrantctl.engine.safety.gates import (
    check_kept_drift,
    check_loosened_limits,
    check_refused_drift,
)
from qdrantctl.engine.safety.interrupted_restores import check_unfinished_restores
from qdrantctl.engine.safety.one_way import check_way_back
from qdrantctl.engine.safety.replacement import (
    check_kept_collections,
    check_replacements_beside,
    uses_replace_consent,
)
from qdrantctl.engine.safety.requirements import (
    check_node_versions,
    check_previous_names,
    check_requirements,
    check_server_version,
)
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, worst_effect
from qdrantctl.model.consent import Consent
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import STORAGE_SINCE
from qdrantctl.model.step import list_calls
from qdrantctl.model.violation import Violation

MANY = 10
"""From this many managed resources on, a mass deletion is reported by its share."""
SHARE = 0.3
_CONSENT_VERBS = {
    Action.DELETE: "delete",
    Action.REPLACE: "replace",
    Action.ADOPT: "adopt",
    Action.UPDATE: "alias",
}
REMADE_HINT = (
    "The points stay, without that vector. To replace the collection instead, state lifecycle: "
    "{replace: recreate}."
)
_DIRECTION_VERBS = {"loosens": "loosen", "widens": "widen"}


@frozen
class SafetyResult:
    """The findings of the rules in a plan, after the consents are counted."""

    violations: tuple[Violation, ...]
    """Those that no consent allows, in the order of the rules."""
    used: frozenset[Consent]
    """Consents that allow something in this plan."""


def check_safety(inputs: SafetyInput, consents: Sequence[Consent]) -> SafetyResult:
    """Run every safety rule once. Each consent lifts the problems that it covers."""
    violations: list[Violation] = []
    used: set[Consent] = set()
    for problem in (problem for rule in RULES for problem in rule(inputs)):
        allowed = problem.allowed_by
        granting = [consent for consent in consents if allowed and consent.covers(*allowed)]
        used.update(granting)
        if not granting:
            violations.append(problem.violation)
        elif problem.once_allowed:
            violations.append(problem.once_allowed)
    used.update(_consents_to_changes(inputs, consents))
    return SafetyResult(tuple(violations), frozenset(used))


def _consents_to_changes(inputs: SafetyInput, consents: Sequence[Consent]) -> Iterator[Consent]:
    """The consents to what this plan does, though no rule had to ask for them."""
    for consent in consents:
        if any(
            consent.covers("replace", address) and uses_replace_consent(address, inputs)
            for address in (*inputs.replacements, *(c.parsed_address for c in inputs.changes))
        ):
            yield consent
    for change in inputs.changes:
        verbs = {_CONSENT_VERBS.get(change.action, "")}
        verbs |= {_DIRECTION_VERBS.get(str(field.direction), "") for field in change.fields}
        for consent in consents:
            if any(consent.covers(verb, change.parsed_address) for verb in verbs):
                yield consent


def needs_details(inputs: SafetyInput) -> frozenset[Address]:
    """Resources whose points must be read before the rules can decide."""
    involved: set[Address] = set()
    losing_points: set[Address] = set()
    for change in inputs.changes:
        kind = inputs.kinds[change.parsed_address.kind]
        loses_points = change.destroys or any(f.destroys_data for f in change.fields)
        if kind.holds_data and (loses_points or change.replacement is not ABSENT):
            losing_points.add(change.parsed_address)
        if targets := find_alias_targets(change, inputs):
            involved.update(targets)
    live, several = inputs.context.live, inputs.context.server.peers > 1
    facts_by_address = {
        address: live[address].facts for address in involved | losing_points if address in live
    }
    return frozenset(
        address
        for address, facts in facts_by_address.items()
        if not (facts.counted or facts.uncountable or facts.unread)
        or (several and address in losing_points and not facts.peers)
    )


def needs_status(inputs: SafetyInput) -> frozenset[Address]:
    """Resources whose status must be read, because a request changes their settings."""
    live = inputs.context.live
    return frozenset(
        change.parsed_address
        for change in inputs.changes
        if change.parsed_address in live
        and inputs.kinds[change.parsed_address.kind].holds_data
        and not live[change.parsed_address].facts.status
        and not live[change.parsed_address].facts.unread
        and any(call.method == "PATCH" for call in list_calls(change.steps))
    )


def needs_size(inputs: SafetyInput) -> frozenset[Address]:
    """Collections of which the size is read, because the server is going to re-index them."""
    live = inputs.context.live
    return frozenset(
        change.parsed_address
        for change in inputs.changes
        if inputs.context.server.version >= STORAGE_SINCE
        and change.parsed_address in live
        and (worst_effect(change.fields) is Effect.REBUILD or change.replacement is not ABSENT)
        and not live[change.parsed_address].facts.storage
        and not live[change.parsed_address].facts.unread
    )


def check_protection(inputs: SafetyInput) -> Iterator[Problem]:
    """QC201: lifecycle.protect forbids deletion and replacement, regardless of consents."""
    for change in inputs.changes:
        context = inputs.context
        states = (
            inventory.get(change.parsed_address)
            for inventory in (context.desired, context.recorded)
        )
        manifest = inputs.destroyed.get(change.parsed_address)
        protected = any(place and place.lifecycle.protect for place in (*states, manifest))
        if change.destroys and protected:
            yield Problem(
                Violation(
                    rule="QC201",
                    address=change.address,
                    message=f"{change.address} has lifecycle.protect set, and this plan would "
                    f"{change.action} it",
                    hint="Apply a manifest with protect: false first, or leave it out with "
                    f"--exclude {change.address}.",
                )
            )


def check_deletions(inputs: SafetyInput) -> Iterator[Problem]:
    """QC202: a deletion that destroys points, is protected or rests on committed state alone."""
    for change in inputs.changes:
        if change.action is not Action.DELETE:
            continue
        kind = inputs.kinds[change.parsed_address.kind]
        live = inputs.context.live.get(change.parsed_address)
        only_in_state = from_state(change, inputs)
        if inputs.protected or only_in_state or (kind.holds_data and may_hold_points(live)):
            circumstance = "in a protected environment" if inputs.protected else "without a ledger"
            message = (
                f"deleting {change.address} destroys {describe_points(live)}"
                if kind.holds_data
                else f"deleting {change.address} needs consent {circumstance}"
            )
            yield require_consent("delete", change, "QC202", message, inputs)


def check_replacements(inputs: SafetyInput) -> Iterator[Problem]:
    """QC203: a replacement, unless the manifest allows it and the collection is empty."""
    for change in inputs.changes:
        if change.action is not Action.REPLACE or not change.destroys:
            continue
        live = inputs.context.live.get(change.parsed_address)
        desired = inputs.context.desired.get(change.parsed_address)
        recreate = desired is not None and desired.lifecycle.replace == "recreate"
        if not recreate or inputs.protected or may_hold_points(live):
            yield require_consent(
                "replace",
                change,
                "QC203",
                f"replacing {change.address} destroys {describe_points(live)}",
                inputs,
                "Or state lifecycle: {replace: recreate}, which allows it while it is empty.",
            )


def check_adoptions(inputs: SafetyInput) -> Iterator[Problem]:
    """QC204: a resource that differs, and has no ledger entry of this project."""
    for change in inputs.changes:
        adopts = change.action is Action.ADOPT and change.steps
        is_unrecorded = change.parsed_address not in inputs.context.recorded
        only_in_state = from_state(change, inputs) and any(map(is_external_change, change.fields))
        if (is_unrecorded and (adopts or change.action is Action.REPLACE)) or only_in_state:
            why = (
                "was not created by this project, and differs"
                if is_unrecorded
                else "differs from the committed state, and no ledger entry names its owner"
            )
            yield require_consent(
                "adopt",
                change,
                "QC204",
                f"{change.address} exists, {why}",
                inputs,
                "Or change the manifest to match the cluster.",
            )


def check_mass_deletion(inputs: SafetyInput) -> Iterator[Problem]:
    """QC207: a plan that deletes most managed resources, unless --max-deletes allows it."""
    deleted = sum(change.action is Action.DELETE for change in inputs.changes)
    managed = len(inputs.context.recorded)
    if not deleted or inputs.partial or (inputs.max_deletes or 0) >= deleted:
        return
    empty = not inputs.context.desired and not inputs.destroyed
    if empty or (managed >= MANY and deleted > SHARE * managed):
        why = "no manifest states anything" if empty else f"{deleted} of {managed} resources"
        plural = "s" * (deleted > 1)
        yield Problem(
            Violation(
                rule="QC207",
                message=f"this plan deletes {deleted} managed resource{plural} ({why})",
                hint=f"If this is intended, allow it: --max-deletes {deleted}.",
            )
        )


def check_dropped_parts(inputs: SafetyInput) -> Iterator[Problem]:
    """QC208: a vector or a shard key that is dropped with its data, perhaps to be made again."""
    for change in inputs.changes:
        if change.destroys or change.replacement is not ABSENT:
            continue
        live = inputs.context.live.get(change.parsed_address)
        lost = {field.path[:2]: field for field in change.fields if field.destroys_data}
        for (section, name), field in lost.items():
            if (points := points_at_risk(live, field)) == 0:
                continue
            is_remade = field.path != (section, name)
            message = (
                f"dropping {section} {name!r} {'to create it again ' if is_remade else ''}destroys "
                f"what is stored under it (points: {'not known' if points is None else points})"
            )
            alternative = REMADE_HINT if is_remade else ""
            yield require_consent("delete", change, "QC208", message, inputs, alternative)


def check_dropped_indexes(inputs: SafetyInput) -> Iterator[Problem]:
    """QC209: a payload index that is dropped in a protected environment."""
    if not inputs.protected:
        return
    for change in inputs.changes:
        if change.destroys:
            continue
        for field in change.fields:
            is_dropped = len(field.path) == 2 and field.desired is ABSENT
            if is_dropped and field.path[0] == "payload_indexes" and field.effect > Effect.KEPT:
                message = (
                    f"dropping the payload index {field.path[1]!r} needs consent in a "
                    "protected environment"
                )
                yield require_consent("delete", change, "QC209", message, inputs)


def check_snapshots(inputs: SafetyInput) -> Iterator[Problem]:
    """QC210 and QC215: points that are destroyed without a complete snapshot of them."""
    several = inputs.context.server.peers > 1
    for change in inputs.changes:
        live = inputs.context.live.get(change.parsed_address)
        if live is None or not destroys_points(
            change, live, inputs.kinds[change.parsed_address.kind]
        ):
            continue
        if inputs.no_snapshot(change.parsed_address):
            yield Problem(skipped_snapshot(change))
        elif several:
            missing = missing_nodes_violation(
                change, live, inputs.nodes, protected=inputs.protected
            )
            yield from [Problem(missing)] if missing else []


def check_kinds(inputs: SafetyInput) -> Iterator[Problem]:
    """The rules that a kind has for its own resources."""
    for change in inputs.changes:
        yield from map(
            Problem, inputs.kinds[change.parsed_address.kind].check(change, inputs.context)
        )


RULES: tuple[Callable[[SafetyInput], Iterator[Problem]], ...] = (
    check_protection,
    check_deletions,
    check_replacements,
    check_adoptions,
    check_hidden_collections,
    check_vanishing_aliases,
    check_moved_aliases,
    check_mass_deletion,
    check_dropped_parts,
    check_dropped_indexes,
    check_snapshots,
    check_recreated_aliases,
    check_refused_drift,
    check_kept_drift,
    check_loosened_limits,
    check_previous_names,
    check_requirements,
    check_server_version,
    check_node_versions,
    check_way_back,
    check_kinds,
    check_unfinished_restores,
    check_replacements_beside,
    check_kept_collections,
)
