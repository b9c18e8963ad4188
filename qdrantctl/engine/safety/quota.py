"""QC243 and QC244: what the quota of the cluster lets an apply do, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from qdrantctl.model.change import IDLE_ACTIONS, Change
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.quota import QUOTAS_PATH, QuotaStatus, enforced_limits
from qdrantctl.model.step import Call, list_calls
from qdrantctl.model.violation import Severity, Violation

_REFUSED_PATH = re.compile(r"/collections/[^/]+/(points|index|vectors/[^/]+)")
"""Of a PUT that an exceeded quota refuses: points, a payload index, a vector by name."""
_LEDGER_REPLICAS = 3
MANY = 5
"""Changes that a message names."""


@frozen
class _Refusals:
    """What a plan would be refused, under quotas that are exceeded when it comes to it."""

    excess: str
    """Which limits are exceeded, first."""
    changes: tuple[Change, ...]
    """Those that cannot be recorded, or of which a step is refused."""
    are_certain: bool
    """Whether too few nodes take writes for the ledger, so that nothing can be recorded."""
    last_config: Mapping[str, Json]
    """The quota once the plan is applied."""


def check_quota(
    changes: Sequence[Change], status: QuotaStatus | None, peers: int, *, has_ledger: bool
) -> Iterator[Violation]:
    """What the quota forbids, and what is to be known about it.

    `changes` are those of the plan in their order, `peers` is the number of nodes. A ledger that
    does not exist yet is written before the first change.
    """
    if status is None:
        return
    if status.unread:
        message = f"whether a quota is exceeded is not known: {status.unread}"
        yield Violation(rule="QC243", severity=Severity.NOTE, message=message)
        return
    changes = [change for change in changes if change.action not in IDLE_ACTIONS]
    refusals = _find_refusals(changes, status, peers, has_ledger=has_ledger)
    if refusals.changes:
        is_new = not status.list_full_nodes(status.config)
        yield _describe_refusals(refusals, "would be exceeded" if is_new else "is exceeded")
    elif excess := status.describe_excess(status.config):
        message = f"the cluster refuses points and indexes with 507: {excess}"
        if status.list_full_nodes(refusals.last_config):
            yield _warning("QC243", message, "Free space or memory, or raise the quota.")
        else:
            message += ". This plan changes the quota first, and ends that"
            yield Violation(rule="QC243", severity=Severity.NOTE, message=message)
    yield from _find_idle_limits(changes, status)


def _find_refusals(
    changes: Sequence[Change], status: QuotaStatus, peers: int, *, has_ledger: bool
) -> _Refusals:
    """The changes that an apply would not get done, following the quota as the plan changes it."""
    config, refused, first_excess, are_certain = status.config, [], "", False
    for number, change in enumerate(changes):
        new_config = _new_quota(change)
        before, config = config, config if new_config is None else new_config
        # The entry of the change is written under the new quota, a new ledger under the old one.
        creates_ledger = number == 0 and not has_ledger
        stops_new_ledger = creates_ledger and _stops_ledger(status, before, peers)
        binding = before if stops_new_ledger else config
        stops_ledger = _stops_ledger(status, binding, peers)
        has_refused_call = any(map(_is_refusable, list_calls(change.steps)))
        if status.list_full_nodes(binding) and (stops_ledger or has_refused_call):
            refused.append(change)
            first_excess = first_excess or status.describe_excess(binding)
            are_certain |= stops_ledger
    return _Refusals(first_excess, tuple(refused), are_certain, config)


def _new_quota(change: Change) -> Mapping[str, Json] | None:
    """The quota that a change sets; None if it sets none."""
    calls = (call for call in list_calls(change.steps) if call.path == QUOTAS_PATH)
    return next((call.body for call in calls), None)


def _is_refusable(call: Call) -> bool:
    return call.method == "PUT" and _REFUSED_PATH.fullmatch(call.path) is not None


def _stops_ledger(status: QuotaStatus, config: Mapping[str, Json], peers: int) -> bool:
    """Whether too few nodes take writes to confirm an entry of the ledger.

    It has a replica on up to three nodes, and most of them confirm a write.
    """
    full = status.list_full_nodes(config)
    confirming = min(peers, _LEDGER_REPLICAS) // 2 + 1
    return bool(full) and len(status.nodes) - len(full) < confirming


def _describe_refusals(refusals: _Refusals, verb: str) -> Violation:
    named = ", ".join(map(_name_refused, refusals.changes[:MANY]))
    more = len(refusals.changes) - MANY
    named += f" and {more} more" if more > 0 else ""
    if refusals.are_certain:
        return Violation(
            rule="QC243",
            message=f"the quota {verb} ({refusals.excess}), so points, payload indexes and "
            f"vectors by name are refused with 507, and so are entries of the ledger: {named} "
            "cannot be applied",
            hint="Delete points or collections, or raise the quota: apply the manifest of "
            "quota/cluster first, with --target quota/cluster, or send PUT /quotas.",
        )
    message = (
        f"nodes exceed the quota ({refusals.excess}): requests that reach them are refused with "
        f"507, and their replicas are not written to. It concerns {named}"
    )
    return _warning("QC243", message, "Free space or memory on these nodes, or raise the quota.")


def _name_refused(change: Change) -> str:
    """`collection/a (PUT /collections/a/index)`: a change, and its requests that are refused."""
    calls = (f"{c.method} {c.path}" for c in list_calls(change.steps) if _is_refusable(c))
    requests = ", ".join(dict.fromkeys(calls))
    return f"{change.address} ({requests})" if requests else change.address


def _find_idle_limits(changes: Sequence[Change], status: QuotaStatus) -> Iterator[Violation]:
    """QC244: limits that this plan sets and that are never reached."""
    for change in changes:
        for limit in enforced_limits(_new_quota(change) or {}):
            if reason := status.unreachable_reason(limit):
                message = f"{limit} is never reached on this server: {reason}"
                hint = "Give the server a limit of memory (its container's), or watch it otherwise."
                warning = _warning("QC244", message, hint)
                yield warning.model_copy(update={"address": change.address})


def _warning(rule: str, message: str, hint: str) -> Violation:
    return Violation(rule=rule, severity=Severity.WARNING, message=message, hint=hint)
