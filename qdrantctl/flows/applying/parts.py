"""The parts of a plan with replacements: what comes before them, they themselves, what comes after.

A replacement runs for long and without the lease of applies, so it is no step among the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from qdrantctl.engine.planning.blue_green import draft_record
from qdrantctl.flows.planning.plan import PlanResult
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, ReplacementForecast
from qdrantctl.model.plan import Plan
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.report import Outcome, OutcomeStatus, Report


def split_plan(plan: Plan) -> tuple[Plan, tuple[Change, ...], Plan]:
    """The plan without replacements, the replacements, and what refers to moved collections."""
    beside = tuple(c for c in plan.changes if isinstance(c.replacement, ReplacementForecast))
    moved = {c.parsed_address for c in beside if c.action is Action.CREATE}
    last = tuple(c for c in plan.changes if c not in beside and _refers_to(c, moved))
    first = tuple(c for c in plan.changes if c not in beside and c not in last)
    return (
        plan.model_copy(update={"changes": first}),
        beside,
        plan.model_copy(update={"changes": last, "prepare": ()}),
    )


def _refers_to(change: Change, moved: set[Address]) -> bool:
    if change.action is Action.NOOP or not isinstance(change.record, dict):
        return False
    references = BY_NAME[change.parsed_address.kind].references(change.record["spec"])
    return any(address in moved for address in references)


def record_of(change: Change, planned: PlanResult) -> ReplacementRecord:
    """The record of a replacement: the ledger's, or a new one."""
    address = change.parsed_address
    if under_way := planned.cluster_state.replacements.get(address):
        return under_way
    assert isinstance(change.record, dict)
    desired, live = planned.desired.inventory[address], planned.cluster_state.live.get(address)
    return draft_record(change, change.record, desired, live, planned.settings.owner)


def merge_reports(plan: Plan, reports: Sequence[Report]) -> Report:
    """One report with the outcome of every change, in the order of the plan."""
    outcomes = {o.address: o for report in reports for o in report.outcomes}
    return Report.of(
        plan,
        [
            outcomes.get(change.address)
            or Outcome(
                address=change.address, action=change.action, status=OutcomeStatus.NOT_REACHED
            )
            for change in plan.changes
        ],
        interrupted=any(report.interrupted for report in reports),
    )
