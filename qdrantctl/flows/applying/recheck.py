"""The safety rules once more, right before a step that takes something away from clients."""

from __future__ import annotations

from dataclasses import replace

from qdrantctl.engine.safety.aliases import find_alias_targets
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.rules import check_safety
from qdrantctl.flows.planning.plan import PlanResult
from qdrantctl.flows.state.live import read_live
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.field_rule import ABSENT, json_equal
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.violation import Severity, Violation

_ALIAS = "alias"


def takes_away(change: Change) -> bool:
    """Whether clients may lose something that they use: a name, or an index."""
    kind = BY_NAME[change.parsed_address.kind]
    if kind.name == _ALIAS:
        return change.action in (Action.UPDATE, Action.ADOPT, Action.DELETE) and bool(change.steps)
    return any(field.desired is ABSENT for field in change.fields) and kind.holds_data


def find_new_problems(
    planned: PlanResult, change: Change, now: Resource, client: Client
) -> list[str]:
    """What forbids a change on the cluster as it is now, and did not when it was planned.

    A consent covers what was planned, and nothing that came since.

    `now` is the changed resource. Aliases, and the collections that an alias leaves and gets, are
    read again; the rest of the cluster counts as it was. Raises ClusterError.
    """
    known = {violation.rule for violation in _list_problems(planned.safety, change)}
    current = _with_current(planned, change, now, client)
    problems = [v.message for v in _list_problems(current, change) if v.rule not in known]
    if change.destroys:
        problems += _changed_aliases(planned, change, now)
    if change.action is Action.REPLACE:
        problems += _changed_settings(planned, change, now)
    return problems


def _list_problems(inputs: SafetyInput, change: Change) -> list[Violation]:
    """What forbids a change where no consent is given."""
    return [
        violation
        for violation in check_safety(inputs, ()).violations
        if violation.severity is Severity.ERROR and violation.address == change.address
    ]


def _with_current(
    planned: PlanResult, change: Change, now: Resource, client: Client
) -> SafetyInput:
    inputs, state = planned.safety, planned.cluster_state
    targets = frozenset(find_alias_targets(change, inputs) or ())
    desired = planned.desired.inventory
    request = ReadRequest(
        desired,
        state.remembered,
        details=targets,
        counted=targets,
        only=targets,
        names=state.names,
        owners=state.owners,
    )
    every = ReadRequest(desired, state.remembered, names=state.names)
    aliases = BY_NAME[_ALIAS].observe(client, every)
    rest = (
        resource
        for address, resource in inputs.context.live.items()
        if address.kind != _ALIAS and address not in targets
    )
    current = [*rest, *(read_live(client, request).values() if targets else ()), *aliases]
    if change.parsed_address.kind != _ALIAS:
        current.append(now)
    return replace(inputs, context=replace(inputs.context, live=Inventory(current)))


def _changed_settings(planned: PlanResult, change: Change, now: Resource) -> list[str]:
    """Settings that another user has changed since: the plan names those that are lost."""
    was = planned.cluster_state.live[change.parsed_address].spec
    names = sorted(
        name
        for name in {*was, *now.spec}
        if not json_equal(was.get(name, ABSENT), now.spec.get(name, ABSENT))
    )
    return [f"its settings have changed: {', '.join(names)}"] if names else []


def _changed_aliases(planned: PlanResult, change: Change, now: Resource) -> list[str]:
    """Aliases that came or went since; those that the plan itself changes are not meant."""
    was = planned.cluster_state.live[change.parsed_address].facts.aliases
    own = {c.parsed_address for c in planned.plan.changes if c.action is not Action.NOOP}
    differing = set(was) ^ set(now.facts.aliases)
    names = sorted(name for name in differing if Address(_ALIAS, name) not in own)
    return [f"its aliases have changed: {', '.join(names)}"] if names else []
