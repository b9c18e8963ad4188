"""Safety rules of replacements without downtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.engine.planning.vector_shapes import find_homeless_keys, find_shape_obstacles
from qdrantctl.engine.safety.context import (
    Problem,
    SafetyInput,
    hint_at_consent,
    may_hold_points,
)
from qdrantctl.model.address import Address
from qdrantctl.model.change import Change, ReplacementForecast
from qdrantctl.model.replacement import Phase, ReplacementRecord, parse_settings
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import UNKNOWN, Version
from qdrantctl.model.violation import Severity, Violation

REFUSED_ALONE_SINCE = Version(1, 17, 0)
"""The first version on which a write is not known to fail where one of its replicas refuses it."""


def check_replacements_beside(inputs: SafetyInput) -> Iterator[Problem]:
    """QC246, QC247, QC249 and QC251: a replacement that begins needs an alias, and vectors to copy.

    With replicas, and a newer server, its writers are stopped.
    """
    for change in inputs.changes:
        forecast, address = change.replacement, change.parsed_address
        if not isinstance(forecast, ReplacementForecast) or forecast.phase != Phase.CREATE:
            continue
        live, desired = inputs.context.live.get(address), inputs.context.desired.get(address)
        if live is None or desired is None:
            continue
        if not live.facts.aliases and may_hold_points(live):
            is_certain = inputs.context.server.version != UNKNOWN
            yield Problem(_lacks_alias(change, forecast, is_certain=is_certain))
        settings = parse_settings(desired.lifecycle.replacement)
        reasons = (
            [] if settings.fill == "external" else [*find_homeless_keys(live.spec, desired.spec)]
        )
        if settings.fill == "copy":
            reasons += find_shape_obstacles(live.spec, desired.spec)
        yield from (Problem(_cannot_copy(change, reason)) for reason in reasons)
        if settings.writers == "live" and _may_leave_replicas_unequal(live, inputs):
            yield Problem(_leaves_replicas_unequal(change))
        yield from _tokens_left_behind(change, forecast, inputs)


def check_kept_collections(inputs: SafetyInput) -> Iterator[Problem]:
    """QC248 and QC250: a replacement is under way, or its old collection is kept until a date."""
    for address, record in inputs.replacements.items():
        if not record.is_kept:
            yield Problem(_is_under_way(record))
            continue
        is_due = address in inputs.retirable
        if not is_due:
            message = describe_kept(record)
            hint = f"qdrantctl replacement rollback {address} puts it back."
            severity = Severity.NOTE
        else:
            is_named = address in inputs.retire
            message = f"{record.old.name} was kept from its replacement until {record.keep_until}"
            if is_named:
                message = f"{record.old.name} is to be deleted, with its points"
            hint = hint_at_consent("replace", str(address), inputs)
            severity = Severity.ERROR if is_named else Severity.WARNING
        violation = Violation(
            rule="QC250", severity=severity, address=str(address), message=message, hint=hint
        )
        yield Problem(violation, allowed_by=("replace", address) if is_due else None)


def describe_kept(record: ReplacementRecord) -> str:
    """Until when the old collection of a replacement is kept."""
    return f"{record.old.name} is kept from its replacement until {record.keep_until}"


def describe_run(record: ReplacementRecord) -> str:
    """How far a replacement under way is, and why it stopped."""
    state = "paused" if record.paused else "under way"
    way_back = " (a rollback)" if record.returning else ""
    stopped = f"; it stopped: {record.error}" if record.error else ""
    message = (
        f"the replacement of {record.old.name} by {record.new.name}{way_back} is {state}, in phase "
        f"{record.phase}{'' if record.run_by else stopped}"
    )
    if record.run_by:
        message += f"; {record.run_by} carries it out"
    if record.frozen_caps is not None:
        message += f"; writes to {record.old.name} are refused until it goes on"
    return message


def _is_under_way(record: ReplacementRecord) -> Violation:
    return Violation(
        rule="QC248",
        severity=Severity.NOTE,
        address=str(record.address),
        message=describe_run(record),
        hint=f"qdrantctl replacement status {record.address} shows how far it is. Its settings are "
        "those of its beginning.",
    )


def _lacks_alias(change: Change, forecast: ReplacementForecast, *, is_certain: bool) -> Violation:
    """Without a server an alias that others manage may lead to it: a warning then."""
    name = change.parsed_address.name
    return Violation(
        rule="QC246",
        severity=Severity.ERROR if is_certain else Severity.WARNING,
        address=change.address,
        message=f"no alias leads to {forecast.old}, so applications call the collection by its own "
        "name, which cannot move to another collection",
        hint=f"State an Alias, such as {name}-live with collection: {name}, apply it, let the "
        "applications use it, and replace the collection then.",
    )


def _cannot_copy(change: Change, reason: str) -> Violation:
    return Violation(
        rule="QC247",
        address=change.address,
        message=f"the points cannot be copied: {reason}",
        hint="State lifecycle.replacement: {fill: command, command: [...]} if a program of yours "
        "makes the vectors, or {fill: external} if another program fills the new collection.",
    )


def _may_leave_replicas_unequal(live: Resource, inputs: SafetyInput) -> bool:
    """Whether a refused write may reach one replica alone: Qdrant 1.16.3 answers it with an error.

    1.19.0 answers `ok`; 1.17 and 1.18 were not tried.
    """
    server = inputs.context.server
    has_replicas = server.peers > 1 and live.spec.get("replication_factor", 1) > 1
    return has_replicas and server.version >= REFUSED_ALONE_SINCE


def _leaves_replicas_unequal(change: Change) -> Violation:
    return Violation(
        rule="QC251",
        address=change.address,
        message="writers: live needs the server to refuse writes for a moment before the switch, "
        "and each replica refuses for itself: a write may be answered with ok and be on one "
        "replica alone",
        hint="State lifecycle.replacement: {writers: frozen} and stop the writers while it is "
        "replaced, or {writers: dual} if they write both collections.",
    )


def _tokens_left_behind(
    change: Change, forecast: ReplacementForecast, inputs: SafetyInput
) -> Iterator[Problem]:
    """Keys that name the collection and not its alias: their tokens stay with the old one."""
    name, context = change.parsed_address.name, inputs.context
    states: tuple[Mapping[Address, Resource], ...] = (context.recorded, context.desired)
    keys = {a: r for state in states for a, r in state.items() if a.kind == "access_key"}
    for address, key in sorted(keys.items()):
        if name in key.spec.get("access", {}):
            yield Problem(
                Violation(
                    rule="QC249",
                    severity=Severity.NOTE,
                    address=str(address),
                    message=f"its tokens name {forecast.old}, and do not reach {forecast.new} "
                    "after the switch",
                    hint="Let the key name the alias: "
                    f"{', '.join(forecast.aliases) or 'state one first'}. Tokens that are issued "
                    "while the replacement is under way name both collections.",
                )
            )


def uses_replace_consent(address: Address, inputs: SafetyInput) -> bool:
    """Whether a consent to replace an address is for the end of its replacement."""
    has_forecast = any(
        isinstance(change.replacement, ReplacementForecast)
        for change in inputs.changes
        if change.parsed_address == address
    )
    return has_forecast or address in inputs.replacements
