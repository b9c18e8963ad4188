"""Safety rules about what an environment requires of every plan, and about records taken over."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.safety.context import Problem, SafetyInput, may_hold_points, require_consent
from qdrantctl.model.change import IDLE_ACTIONS, Action, Change
from qdrantctl.model.gates import REQUIREMENTS
from qdrantctl.model.server import UNKNOWN
from qdrantctl.model.violation import Severity, Violation


def check_previous_names(inputs: SafetyInput) -> Iterator[Problem]:
    """QC217: a record of a previous name, which that side has not released."""
    for change in inputs.changes:
        applied = inputs.context.recorded.get(change.parsed_address)
        owner = applied.record.owner if applied and applied.record else inputs.context.owner
        released = {inputs.context.owner, *inputs.cloned_owners}
        if change.action not in IDLE_ACTIONS and owner not in released:
            yield require_consent(
                "adopt",
                change,
                "QC217",
                f"{change.address} is recorded for {owner}, a previous name of this project that "
                "has not released it",
                inputs,
                f"Or list it under removed in {owner.partition('/')[0]}, and apply there.",
            )


def check_requirements(inputs: SafetyInput) -> Iterator[Problem]:
    """QC218: what the environment requires of manifests and changes."""
    required = [name for name in REQUIREMENTS if name in inputs.gates.require]
    for change, name in ((change, name) for change in inputs.changes for name in required):
        kind = inputs.kinds[change.parsed_address.kind]
        desired = inputs.context.desired.get(change.parsed_address)
        reason = kind.unmet_requirement(name, desired.spec) if desired else ""
        hint = "Change the manifest."
        if name == "alias_for_replace" and kind.holds_data and _replaces_points(change, inputs):
            reason = "would be replaced in place"
            hint = "State lifecycle: {replace: blue_green}; or declare a collection of another "
            hint += "name, fill it, and move an alias to it."
        if reason:
            message = f"{change.address} {reason}, and {inputs.environment} requires {name}"
            yield Problem(
                Violation(rule="QC218", address=change.address, message=message, hint=hint)
            )


def _replaces_points(change: Change, inputs: SafetyInput) -> bool:
    live = inputs.context.live.get(change.parsed_address)
    return change.action is Action.REPLACE and change.destroys and may_hold_points(live)


def check_server_version(inputs: SafetyInput) -> Iterator[Problem]:
    """QC225: a server that is older than the environment requires."""
    server, minimum = inputs.context.server, inputs.gates.min_server_version
    if server.version != UNKNOWN and server.version < minimum:
        which = "the oldest node" if server.is_mixed else "the server"
        yield Problem(
            Violation(
                rule="QC225",
                message=f"{which} is Qdrant {server.version}, and {inputs.environment} "
                f"requires {minimum} or newer (min_server_version)",
                hint="Upgrade the server, or change min_server_version of the environment.",
            )
        )


def check_node_versions(inputs: SafetyInput) -> Iterator[Problem]:
    """QC239: nodes of different versions, or of unknown ones."""
    server, told = inputs.context.server, []
    if server.is_mixed:
        told.append(
            f"the nodes run Qdrant {server.version} to {server.newest_version}, and the oldest "
            "decides what can be set: a node drops settings that it does not know, without an error"
        )
    if server.untold:
        told.append(
            f"the version of {server.untold} of {server.peers} nodes is not known, and an older "
            "one would drop settings that it does not know, without an error"
        )
    for message in told:
        yield Problem(
            Violation(
                rule="QC239",
                severity=Severity.WARNING,
                message=message,
                hint="Plan again when every node runs the same version.",
            )
        )
