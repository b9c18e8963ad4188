"""The flow of `plan`: read the three worlds, think, judge the safety rules. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from qdrantctl import __version__
from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.tokens.signer import signing_problem
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.planning.planner import plan_changes, unmanaged_addresses
from qdrantctl.engine.planning.safety_snapshot import SKIP
from qdrantctl.engine.planning.selection import Selection
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.rules import check_safety, needs_details
from qdrantctl.engine.snapshots.policy_status import finding_violations
from qdrantctl.flows.snapshots.policies.status import check_policies
from qdrantctl.flows.state.checkout_age import check_checkout_is_current
from qdrantctl.flows.state.committed import with_locked_versions
from qdrantctl.flows.state.desired import DesiredState, load_desired_state, merge_unselected
from qdrantctl.flows.state.ledger_fallback import fallback_notice, with_committed_state_as_fallback
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state, with_details
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import NodeClient
from qdrantctl.model.consent import Consent, matches_glob
from qdrantctl.model.kind import Context
from qdrantctl.model.plan import Plan, PlannedServer, RecordedOptions
from qdrantctl.model.server import Server
from qdrantctl.model.snapshots.snapshot import find_unfinished_restore
from qdrantctl.model.step import Call, Step, list_calls
from qdrantctl.model.violation import Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.model.client import Client


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line asks of a plan."""

    selection: Selection = field(default_factory=Selection)
    consents: tuple[Consent, ...] = ()
    """From flags."""
    revert_drift: tuple[str, ...] = ()
    """Addresses or globs whose drift is put back, whatever the environment says."""
    allow_older: tuple[str, ...] = ()
    """Addresses or globs that a checkout may change that does not contain their last apply."""
    max_deletes: int | None = None
    no_snapshot: tuple[str, ...] = ()
    """Addresses or globs whose points are destroyed without a snapshot."""
    fail_on_loosening: bool = False
    fail_on_widening: bool = False


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, and the worlds it was made from."""

    plan: Plan
    worlds: ClusterState
    desired: DesiredState
    settings: Settings
    today: date


def make_plan(
    settings: Settings, wishes: PlanOptions, door: NodeClient, today: date, progress: Progress
) -> PlanResult:
    """The plan for these settings. Raises ManifestError, ClusterError, UsageError."""
    progress("reading manifests")
    return make_plan_for(
        with_locked_versions(settings, load_desired_state(settings)),
        settings,
        wishes,
        door,
        today,
        progress,
    )


def make_plan_for(
    wanted: DesiredState,
    settings: Settings,
    wishes: PlanOptions,
    door: NodeClient,
    today: date,
    progress: Progress,
) -> PlanResult:
    """The plan for manifests that were read before. Raises ClusterError, UsageError."""
    progress(f"asking {door.server.url}")
    found = read_cluster_state(door, wanted.inventory, progress, settings.owners)
    found = with_committed_state_as_fallback(settings, door, wanted, found)
    if settings.partial:
        wanted = replace(wanted, inventory=merge_unselected(wanted.inventory, found.remembered))
    if any(BY_NAME[address.kind].needs_signing_key for address in wanted.inventory):
        progress("trying whether tokens can be signed")
        found = replace(found, unsigned=signing_problem(settings.endpoint))
    changes, inputs = compute_changes(settings, wishes, wanted, found, door.server, today)
    if more := needs_details(inputs):
        progress("counting points")
        found = with_details(door, found, wanted.inventory, more)
        changes, inputs = compute_changes(settings, wishes, wanted, found, door.server, today)
    safety = check_safety(inputs, settings.valid_consents(wishes.consents))
    made = Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(door.server, found.memory.cluster_id),
        manifests_digest=wanted.digest,
        options=recorded_options(settings, wishes),
        prepare=_preparing_steps(changes, found, door),
        changes=changes,
        violations=(
            *wanted.violations,
            *safety.violations,
            *finding_violations(check_policies(settings, door, found.remembered)),
            *fallback_notice(settings, found),
            *check_checkout_is_current(
                settings, wishes.allow_older, changes, found, wanted.versions
            ),
            *plan_notices(settings, wishes, safety.used),
        ),
        unmanaged=unmanaged_addresses(
            _plan_input(settings, wishes, wanted, found, door.server, today)
        ),
    )
    return PlanResult(made, found, wanted, settings, today)


def recorded_options(settings: Settings, wishes: PlanOptions) -> RecordedOptions:
    """The options of a plan as its document keeps them."""
    return RecordedOptions(
        target=wishes.selection.targets,
        exclude=wishes.selection.excludes,
        revert_drift=wishes.revert_drift,
        no_snapshot=wishes.no_snapshot,
        removed=tuple(map(str, sorted(settings.removed))),
        allow_older=wishes.allow_older,
    )


def compute_changes(
    settings: Settings,
    wishes: PlanOptions,
    wanted: DesiredState,
    found: ClusterState,
    server: Server,
    today: date,
) -> tuple[tuple[Change, ...], SafetyInput]:
    """The changes that these worlds ask for, and what the safety rules look at."""
    question = _plan_input(settings, wishes, wanted, found, server, today)
    changes = plan_changes(question, BY_NAME)
    context = Context(
        server=question.server,
        today=today,
        desired=question.desired,
        live=question.live,
        recorded=question.recorded,
        deleted=frozenset(c.parsed_address for c in changes if c.action is Action.DELETE),
        owner=question.owner,
    )
    inputs = SafetyInput(
        changes=changes,
        context=context,
        kinds=BY_NAME,
        environment=settings.environment,
        protected=settings.protected,
        on_drift=_drift_policies(settings, wishes),
        no_snapshot=_snapshot_waivers(settings, wishes),
        nodes=settings.nodes,
        unfinished_restores={
            change.parsed_address: restore
            for change in changes
            if (restore := find_unfinished_restore(found.ledger_entry(change.parsed_address)))
        },
        max_deletes=wishes.max_deletes,
        fail_on_loosening=wishes.fail_on_loosening,
        fail_on_widening=wishes.fail_on_widening,
        partial=settings.partial,
    )
    return changes, inputs


def _plan_input(
    settings: Settings,
    wishes: PlanOptions,
    wanted: DesiredState,
    found: ClusterState,
    server: Server,
    today: date,
) -> PlanInput:
    return PlanInput(
        owner=settings.owner,
        server=replace(server, unsigned=found.unsigned),
        today=today,
        desired=wanted.inventory,
        live=found.live,
        remembered=found.remembered,
        previous_owners=settings.previous_owners,
        partial=settings.partial,
        removed=settings.removed,
        versions=wanted.versions,
        selection=wishes.selection,
        consents=settings.valid_consents(wishes.consents),
        on_drift=_drift_policies(settings, wishes),
        no_snapshot=_snapshot_waivers(settings, wishes),
        nodes=settings.nodes,
    )


def _snapshot_waivers(settings: Settings, wishes: PlanOptions) -> Callable[[Address], bool]:
    """Where points go without a way back; nowhere in a protected environment."""
    named = () if settings.protected else wishes.no_snapshot
    return lambda address: any(matches_glob(pattern, str(address)) for pattern in named)


def _drift_policies(settings: Settings, wishes: PlanOptions) -> Callable[[Address], str]:
    """What becomes of drift at an address: what the environment says, unless it was named."""

    def settled(address: Address) -> str:
        named = any(matches_glob(pattern, str(address)) for pattern in wishes.revert_drift)
        return "revert" if named else settings.on_drift

    return settled


def _preparing_steps(
    changes: Sequence[Change], found: ClusterState, door: Client
) -> tuple[Step, ...]:
    """The first creation of the ledger and of the registry of keys, where something needs them."""
    idle = (Action.NOOP, Action.REFUSED)
    made: list[Call] = []
    if not found.memory.exists and any(change.action not in idle for change in changes):
        made.append(ledger.ledger_creation_request(door.server))
    if any(
        registry.writes_registry(call) for change in changes for call in list_calls(change.steps)
    ):
        made += registry.registry_creation_requests(door)
    return tuple(Step(call=call) for call in made)


def plan_notices(
    settings: Settings, wishes: PlanOptions, used: frozenset[Consent]
) -> Iterator[Violation]:
    """What the settings have to say, and the consents that allow nothing: all but those `used`."""
    for note in settings.notes:
        yield Violation(rule="QC220", severity=Severity.NOTE, message=note)
    if settings.protected and wishes.no_snapshot:
        told = f"the environment is protected, so {SKIP} allows nothing in this plan"
        yield Violation(rule="QC221", severity=Severity.NOTE, message=told)
    for consent in (*settings.consents, *wishes.consents):
        if consent not in used:
            yield Violation(
                rule="QC221",
                severity=Severity.NOTE,
                message=f"the consent to {consent.verb} {consent.pattern} ({consent.source}) "
                "allows nothing in this plan",
            )
