"""The flow of `plan`: read the three states, compute changes, check safety. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from datetime import date
from typing import TYPE_CHECKING

from qdrantctl import __version__
from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.planning.planner import plan_changes, unmanaged_addresses
from qdrantctl.engine.planning.references import list_references
from qdrantctl.engine.planning.safety_snapshot import SKIP
from qdrantctl.engine.planning.selection import Selection, select_destroyed
from qdrantctl.engine.safety.aliases import describe_alias_moves
from qdrantctl.engine.safety.collection_limit import check_collection_limit
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.quota import check_quota
from qdrantctl.engine.safety.rules import check_safety, needs_details, needs_size, needs_status
from qdrantctl.flows.cluster.connect import find_token_problem
from qdrantctl.flows.cluster.internal_replicas import list_missing_replicas
from qdrantctl.flows.planning.replacements import find_retirable, with_runs
from qdrantctl.flows.snapshots.policies.findings import policy_violations
from qdrantctl.flows.state.checkout import committed_as
from qdrantctl.flows.state.checkout_age import check_checkout_is_current
from qdrantctl.flows.state.clones import (
    classify_owners,
    clone_notices,
    identity_steps,
    named_owners,
    used_clone_consents,
    with_cloned_owners,
    without_uncounted_clones,
    without_unstated_clones,
)
from qdrantctl.flows.state.committed import with_locked_versions
from qdrantctl.flows.state.desired import (
    DesiredState,
    deprecation_notes,
    load_desired_state,
    merge_unselected,
)
from qdrantctl.flows.state.ledger_fallback import fallback_notice, with_committed_state_as_fallback
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state, with_details
from qdrantctl.flows.state.protection import (
    Protection,
    protected_settings,
    read_protection,
    with_change,
)
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import IDLE_ACTIONS, Action, Change
from qdrantctl.model.client import NodeClient
from qdrantctl.model.consent import Consent, matches_glob
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.frozen import frozen
from qdrantctl.model.gates import Gates
from qdrantctl.model.kind import Context
from qdrantctl.model.plan import Plan, PlannedServer, RecordedOptions
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Server
from qdrantctl.model.snapshots.snapshot import find_unfinished_restore
from qdrantctl.model.step import Call, Step, list_calls
from qdrantctl.model.violation import Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.model.client import Client


@frozen
class PlanOptions:
    """Options of a plan."""

    selection: Selection = field(default_factory=Selection)
    consents: tuple[Consent, ...] = ()
    """From flags."""
    revert_drift: tuple[str, ...] = ()
    """Addresses or globs whose drift is reverted, regardless of the environment's setting."""
    allow_older: tuple[str, ...] = ()
    """Addresses or globs that may be changed by a checkout behind their last apply."""
    max_deletes: int | None = None
    no_snapshot: tuple[str, ...] = ()
    """Addresses or globs whose points are destroyed without a snapshot."""
    gates: Gates = field(default_factory=Gates)
    """From flags; those of the environment count as well."""
    retire: tuple[Address, ...] = ()
    """Collections whose replaced one is deleted now, however long it was to be kept."""


@frozen
class PlanResult:
    """A plan, and the states it was computed from."""

    plan: Plan
    cluster_state: ClusterState
    desired: DesiredState
    settings: Settings
    """Those that count on this cluster: `protection` has the stated ones."""
    today: date
    safety: SafetyInput
    """What the safety rules looked at."""
    protection: Protection


def make_plan(
    settings: Settings, options: PlanOptions, client: NodeClient, today: date, progress: Progress
) -> PlanResult:
    """The plan for these settings. Raises ManifestError, ClusterError, UsageError."""
    progress("reading manifests")
    return make_plan_for(
        with_locked_versions(settings, load_desired_state(settings)),
        settings,
        options,
        client,
        today,
        progress,
    )


def make_plan_for(
    desired_state: DesiredState,
    settings: Settings,
    options: PlanOptions,
    client: NodeClient,
    today: date,
    progress: Progress,
) -> PlanResult:
    """The plan for manifests that were read before. Raises ClusterError, UsageError."""
    settings = with_cloned_owners(settings, options.consents)
    progress(f"connecting to {client.server.url}")
    cluster_state = read_cluster_state(
        client, desired_state.inventory, progress, named_owners(settings)
    )
    cluster_state = replace(
        cluster_state,
        replacements=with_runs(cluster_state.replacements, client, settings.owner),
        retirable=find_retirable(cluster_state, client, options.retire),
    )
    protection = read_protection(settings, cluster_state.ledger, today)
    settings = without_uncounted_clones(protected_settings(protection), options.consents)
    settings = without_unstated_clones(settings, desired_state.inventory, cluster_state)
    cluster_state = with_committed_state_as_fallback(settings, client, desired_state, cluster_state)
    if settings.partial:
        desired_state = replace(
            desired_state,
            inventory=merge_unselected(desired_state.inventory, cluster_state.remembered),
        )
    if any(BY_NAME[address.kind].needs_signing_key for address in desired_state.inventory):
        progress("testing whether the server accepts tokens")
        cluster_state = replace(cluster_state, unsigned=find_token_problem(settings))
    changes, safety_input = compute_changes(
        settings, options, desired_state, cluster_state, client.server, today
    )
    counted, sized = needs_details(safety_input), needs_size(safety_input)
    if more := counted | sized | needs_status(safety_input):
        progress("counting points" if counted else "reading collections")
        cluster_state = with_details(
            client, cluster_state, desired_state.inventory, more, counted, sized
        )
        changes, safety_input = compute_changes(
            settings, options, desired_state, cluster_state, client.server, today
        )
    violations = judge_changes(settings, options, desired_state, cluster_state, safety_input)
    protection, findings = with_change(
        protection,
        desired_state.inventory,
        cluster_state.ledger,
        options.allow_older,
        whole=not settings.partial and options.selection == Selection(),
        has_changes=any(change.action not in IDLE_ACTIONS for change in changes),
    )
    prepare = _preparing_steps(settings, changes, cluster_state, client)
    steps = (*prepare, *(step for change in changes for step in change.steps))
    plan = Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(client.server, cluster_state.ledger.cluster_id),
        manifests_digest=desired_state.digest,
        commit=committed_as(settings, desired_state.inventory) or ABSENT,
        options=recorded_options(settings, options),
        prepare=prepare,
        changes=describe_alias_moves(safety_input),
        violations=(
            *desired_state.violations,
            *deprecation_notes(desired_state, settings, client.server.version),
            *policy_violations(settings, client, cluster_state.remembered),
            *findings,
            *violations,
            *check_collection_limit(steps, cluster_state.collection_limit, settings.owner),
        ),
        unmanaged=unmanaged_addresses(
            _plan_input(settings, options, desired_state, cluster_state, client.server, today)
        ),
        references=list_references(changes, safety_input.context, BY_NAME),
    )
    return PlanResult(plan, cluster_state, desired_state, settings, today, safety_input, protection)


def judge_changes(
    settings: Settings,
    options: PlanOptions,
    desired_state: DesiredState,
    cluster_state: ClusterState,
    inputs: SafetyInput,
) -> tuple[Violation, ...]:
    """What forbids these changes in this environment, and what is noted beside."""
    consents = settings.valid_consents(options.consents)
    safety = check_safety(inputs, consents)
    used = safety.used | used_clone_consents(settings, consents, cluster_state.ledger)
    return (
        *check_quota(
            inputs.changes,
            cluster_state.quota,
            inputs.context.server.peers,
            has_ledger=cluster_state.ledger.exists,
        ),
        *safety.violations,
        *clone_notices(settings, options.consents, cluster_state.ledger),
        *fallback_notice(settings, cluster_state),
        *check_checkout_is_current(
            settings, options.allow_older, inputs.changes, cluster_state, desired_state.versions
        ),
        *plan_notices(settings, options, used),
    )


def recorded_options(settings: Settings, options: PlanOptions) -> RecordedOptions:
    """The options of a plan as its document keeps them."""
    return RecordedOptions(
        target=options.selection.targets,
        exclude=options.selection.excludes,
        destroy=options.selection.destroy,
        revert_drift=options.revert_drift,
        no_snapshot=options.no_snapshot,
        removed=tuple(map(str, sorted(settings.removed))),
        allow_older=options.allow_older,
    )


def compute_changes(
    settings: Settings,
    options: PlanOptions,
    desired_state: DesiredState,
    cluster_state: ClusterState,
    server: Server,
    today: date,
) -> tuple[tuple[Change, ...], SafetyInput]:
    """The changes that these states need, and the input of the safety rules."""
    plan_input = _plan_input(settings, options, desired_state, cluster_state, server, today)
    changes = plan_changes(plan_input, BY_NAME)
    context = Context(
        server=plan_input.server,
        today=today,
        desired=plan_input.desired,
        live=plan_input.live,
        recorded=plan_input.recorded,
        deleted=frozenset(c.parsed_address for c in changes if c.action is Action.DELETE),
        owner=plan_input.owner,
        names=plan_input.names,
    )
    safety_input = SafetyInput(
        changes=changes,
        context=context,
        kinds=BY_NAME,
        environment=settings.environment,
        protected=settings.protected,
        on_drift=_drift_policies(settings, options),
        no_snapshot=_snapshot_waivers(settings, options),
        nodes=settings.nodes,
        unfinished_restores={
            change.parsed_address: restore
            for change in changes
            if (
                restore := find_unfinished_restore(
                    cluster_state.ledger_entry(change.parsed_address)
                )
            )
        },
        destroyed=Inventory(
            r for a, r in desired_state.inventory.items() if a in plan_input.destroy
        ),
        max_deletes=options.max_deletes,
        gates=settings.gates.merge(options.gates),
        partial=settings.partial,
        cloned_owners=settings.cloned_owners,
        replacements=plan_input.replacements,
        retirable=plan_input.retirable,
        retire=frozenset(options.retire),
        alias_min_ratio=settings.alias_min_ratio,
    )
    return changes, safety_input


def _plan_input(
    settings: Settings,
    options: PlanOptions,
    desired_state: DesiredState,
    cluster_state: ClusterState,
    server: Server,
    today: date,
) -> PlanInput:
    states = PlanInput(
        owner=settings.owner,
        server=replace(server, unsigned=cluster_state.unsigned),
        today=today,
        desired=desired_state.inventory,
        live=cluster_state.live,
        remembered=cluster_state.remembered,
        names=cluster_state.names,
        previous_owners=settings.previous_owners,
        cloned_owners=settings.cloned_owners,
        origins=classify_owners(settings, cluster_state.ledger),
        partial=settings.partial,
        removed=settings.removed,
        versions=desired_state.versions,
        selection=options.selection,
        consents=settings.valid_consents(options.consents),
        on_drift=_drift_policies(settings, options),
        no_snapshot=_snapshot_waivers(settings, options),
        nodes=settings.nodes,
        replacements=cluster_state.replacements,
        retirable=cluster_state.retirable,
    )
    destroyed = select_destroyed(
        options.selection.destroy, states.recorded, cluster_state.live, BY_NAME
    )
    remaining = (r for address, r in states.desired.items() if address not in destroyed)
    return replace(states, desired=Inventory(remaining), destroy=destroyed)


def _snapshot_waivers(settings: Settings, options: PlanOptions) -> Callable[[Address], bool]:
    """Whether points at an address may be destroyed without a snapshot; never if protected."""
    named = () if settings.protected else options.no_snapshot
    return lambda address: any(matches_glob(pattern, str(address)) for pattern in named)


def _drift_policies(settings: Settings, options: PlanOptions) -> Callable[[Address], str]:
    """The drift policy of an address: `revert` if named, else the environment's."""

    def policy_for(address: Address) -> str:
        named = any(matches_glob(pattern, str(address)) for pattern in options.revert_drift)
        return "revert" if named else settings.on_drift

    return policy_for


def _preparing_steps(
    settings: Settings, changes: Sequence[Change], cluster_state: ClusterState, client: Client
) -> tuple[Step, ...]:
    """Steps that create the ledger and the key registry if they are missing and needed.

    A copy of a cluster gets an id of its own, and a cluster that has grown more replicas of them.
    """
    calls: list[Call] = [*identity_steps(settings, changes, cluster_state, client.server)]
    if cluster_state.ledger.exists:
        calls += list_missing_replicas(client)
    if not cluster_state.ledger.exists and any(
        change.action not in IDLE_ACTIONS for change in changes
    ):
        calls.append(ledger.ledger_creation_request(client.server))
    if any(
        registry.writes_registry(call) for change in changes for call in list_calls(change.steps)
    ):
        calls += registry.registry_creation_requests(client)
    return tuple(Step(call=call) for call in calls)


def plan_notices(
    settings: Settings, options: PlanOptions, used: frozenset[Consent]
) -> Iterator[Violation]:
    """Notes of the settings, and consents without effect: all except those `used`."""
    yield from settings.guard_findings
    for note in settings.notes:
        yield Violation(rule="QC220", severity=Severity.NOTE, message=note)
    if settings.protected and options.no_snapshot:
        message = f"the environment is protected, so {SKIP} allows nothing in this plan"
        yield Violation(rule="QC221", severity=Severity.NOTE, message=message)
    for consent in (*settings.consents, *options.consents):
        if consent not in used:
            yield Violation(
                rule="QC221",
                severity=Severity.NOTE,
                message=f"the consent to {consent.verb} {consent.pattern} ({consent.source}) "
                "allows nothing in this plan",
            )
