"""The flow of `apply PLANFILE`: recompute a saved plan and compare the two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.system import git
from qdrantctl.engine.planning.drift_policy import is_kept_drift
from qdrantctl.engine.planning.plan_comparison import changed_values
from qdrantctl.engine.planning.replacement import as_in_format_1_0
from qdrantctl.engine.planning.safety_snapshot import destroys_points
from qdrantctl.engine.planning.selection import Selection
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.rules import needs_details
from qdrantctl.flows.planning.plan import (
    PlanOptions,
    PlanResult,
    compute_changes,
    judge_changes,
)
from qdrantctl.flows.state.checkout import find_uncommitted_files, list_names
from qdrantctl.flows.state.clones import named_owners, with_cloned_owners, without_uncounted_clones
from qdrantctl.flows.state.committed import committed_files
from qdrantctl.flows.state.desired import DesiredState, load_desired_state
from qdrantctl.flows.state.ledger_fallback import with_committed_state_as_fallback
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state, with_details
from qdrantctl.flows.state.protection import protected_settings, read_protection, with_change
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import IDLE_ACTIONS, Action, Change
from qdrantctl.model.client import Client
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import StaleError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.plan import Plan, RecordedOptions
from qdrantctl.model.resource import Inventory, Lifecycle, Resource
from qdrantctl.model.server import Version
from qdrantctl.model.violation import Severity, Violation

_OF_CONSENTS = ("QC220", "QC221")
"""Notes about consents that were given when the plan was made."""
_MAX_LINES = 20
"""Differences listed in an error; more are counted."""


def recheck_saved_plan(
    saved: Plan,
    settings: Settings,
    options: PlanOptions,
    client: Client,
    today: date,
    progress: Progress,
    manifests: DesiredState | None = None,
) -> PlanResult:
    """A saved plan with the current state, if recomputing it gives the same plan.

    Consents, protection and gates are those of `settings` and `options`: the plan brings none
    along. In a protected environment the plan must be of `manifests`, those of this checkout.

    Raises StaleError with every changed value of the resources that the plan touches.
    """
    if saved.owner != settings.owner:
        raise StaleError(
            f"the plan was made for {saved.owner}, this is {settings.owner}", hint="Plan again."
        )
    desired = DesiredState(
        Inventory(_desired_resources(saved)),
        (),
        versions=_desired_versions(saved),
        committed=committed_files(settings),
    )
    settings = with_cloned_owners(settings, options.consents)
    progress(f"connecting to {client.server.url}")
    cluster_state = read_cluster_state(client, desired.inventory, progress, named_owners(settings))
    protection = read_protection(settings, cluster_state.ledger, today)
    settings = without_uncounted_clones(protected_settings(protection), options.consents)
    if settings.protected:
        manifests = manifests or load_desired_state(settings)
    if manifests and saved.options is not ABSENT:  # format 1.0 recorded no commit
        _check_manifests(saved, settings, manifests)
    cluster_state = with_committed_state_as_fallback(settings, client, desired, cluster_state)
    _check_cluster(saved, cluster_state, client)
    inputs, cluster_state = _plan_again(
        saved, settings, options, desired, cluster_state, client, today
    )
    changes = {change.address: change for change in inputs.changes}
    _check_values(saved, changes, cluster_state, client.server.version)
    violations = judge_changes(settings, options, desired, cluster_state, inputs)
    plan = saved if saved.options is not ABSENT else _with_destroyed_data(saved, changes)
    if saved.blocking or any(v.severity is Severity.ERROR for v in violations):
        plan = plan.model_copy(update={"violations": _merge_violations(saved, violations)})
    protection, findings = with_change(
        protection,
        manifests.inventory if manifests else Inventory(),
        cluster_state.ledger,
        options.allow_older,
        whole=isinstance(saved.options, RecordedOptions)
        and not (saved.options.target or saved.options.exclude),
        has_changes=True,
    )
    if findings:
        plan = plan.model_copy(update={"violations": (*findings, *plan.violations)})
    return PlanResult(plan, cluster_state, desired, settings, today, inputs, protection)


def _check_manifests(saved: Plan, settings: Settings, manifests: DesiredState) -> None:
    """Raises StaleError unless the plan is of manifests that are committed in this checkout."""
    uncommitted = find_uncommitted_files(settings, manifests.inventory)
    why = ""
    if uncommitted:
        why = f"Not as committed here: {list_names(uncommitted)}."
    elif saved.manifests_digest != manifests.digest:
        why = "It was made from other manifests than those of this checkout."
    elif uncommitted is not None and saved.commit is ABSENT:
        why = "It was made from manifests that were not committed, or from some of them with -f."
    elif isinstance(saved.commit, str) and git.head_contains(settings.root, saved.commit) is False:
        why = f"It was made from commit {saved.commit[:12]}, which this checkout does not contain."
    if why:
        raise StaleError(
            f"{settings.owner} is protected: only a plan of committed manifests is applied",
            why=why,
            hint="Commit the manifests and the project file, and plan again from that commit.",
        )


def _merge_violations(saved: Plan, now: Iterable[Violation]) -> tuple[Violation, ...]:
    """What holds now, and what the plan noted beside: errors of then count only if they hold."""
    now = tuple(now)
    repeated = {(violation.rule, violation.address) for violation in now}
    noted = (
        violation
        for violation in saved.violations
        if violation.severity is not Severity.ERROR
        and violation.rule not in _OF_CONSENTS
        and (violation.rule, violation.address) not in repeated
    )
    return (*noted, *now)


def options_of_1_0(saved: Plan) -> RecordedOptions:
    """The options of a plan of format 1.0, inferred from its changes: it does not record them."""
    return RecordedOptions(
        revert_drift=tuple(
            c.address for c in saved.changes if not any(map(is_kept_drift, c.fields))
        ),
        no_snapshot=tuple(_without_snapshot(saved)),
        removed=tuple(c.address for c in saved.changes if c.action is Action.FORGET),
    )


def _touched_changes(saved: Plan) -> tuple[Change, ...]:
    return tuple(change for change in saved.changes if change.action not in IDLE_ACTIONS)


def _desired_resources(saved: Plan) -> Iterator[Resource]:
    """The resources that the plan creates and changes, as its ledger records define them."""
    for change in saved.changes:
        if change.record is not ABSENT:
            record: Mapping[str, Json] = dict(change.record)  # type: ignore[arg-type]
            lifecycle = Lifecycle.parse(record["lifecycle"])
            yield Resource(change.parsed_address, record["spec"], lifecycle=lifecycle)


def _desired_versions(saved: Plan) -> dict[Address, int]:
    """The versions in the plan's ledger records."""
    return {
        change.parsed_address: change.record["schema_version"]
        for change in saved.changes
        if isinstance(change.record, Mapping)
    }


def _check_cluster(saved: Plan, cluster_state: ClusterState, client: Client) -> None:
    """Raises StaleError if the plan was made for another cluster."""
    planned = saved.server
    if planned.cluster_id is ABSENT:
        is_other_cluster = planned.url != client.server.url
    else:
        is_other_cluster = planned.cluster_id != cluster_state.ledger.cluster_id
    if is_other_cluster:
        raise StaleError(
            f"the plan was made for another cluster than {client.server.url}",
            why=f"It was made for {planned.url}, and the cluster's identity differs.",
            hint="Plan again.",
        )


def _plan_again(
    saved: Plan,
    settings: Settings,
    options: PlanOptions,
    desired: DesiredState,
    cluster_state: ClusterState,
    client: Client,
    today: date,
) -> tuple[SafetyInput, ClusterState]:
    """What the safety rules look at, computed with the plan's options, and the state it rests on.

    Only what the plan touches is planned: that is already what its targets select. Everything else
    counts as desired as it was applied, and so does what is destroyed by name. A plan that deletes
    was not made for a rename.
    """
    recorded = saved.options
    recorded = recorded if isinstance(recorded, RecordedOptions) else options_of_1_0(saved)
    touched = {change.parsed_address for change in _touched_changes(saved)}
    ours = [
        resource
        for resource in cluster_state.remembered.values()
        if resource.record and resource.record.owner in settings.owners
    ]
    named = [r for r in ours if r.address in touched] if recorded.destroy else []
    rest = [r for r in ours if r.address not in touched]
    inventory = Inventory([*rest, *named, *desired.inventory.values()])
    planned = replace(desired, inventory=inventory)
    removed = frozenset(map(Address.parse, recorded.removed))
    computing = replace(
        settings,
        partial=False,
        removed=settings.removed & removed if settings.protected else removed,
        consents=tuple(
            Consent("delete", change.address, "the saved plan")
            for change in saved.changes
            if change.action is Action.DELETE
        ),
    )
    wishes = replace(
        options,
        selection=Selection(destroy=tuple(str(resource.address) for resource in named)),
        consents=(),
        revert_drift=recorded.revert_drift,
        no_snapshot=recorded.no_snapshot,
    )

    def compute(state: ClusterState) -> SafetyInput:
        _, inputs = compute_changes(computing, wishes, planned, state, client.server, today)
        return replace(
            inputs, changes=tuple(c for c in inputs.changes if c.parsed_address in touched)
        )

    inputs = compute(cluster_state)
    if addresses := needs_details(inputs):
        cluster_state = with_details(client, cluster_state, planned.inventory, addresses, addresses)
        inputs = compute(cluster_state)
    return inputs, cluster_state


def _check_values(
    saved: Plan, changes: Mapping[str, Change], cluster_state: ClusterState, version: Version
) -> None:
    """Raises StaleError with every value that has changed since the plan was made.

    A server of another version may be sent other requests; its version is named then.
    """
    touching = {change.address: change for change in _touched_changes(saved)}
    now = dict(changes)
    if saved.format_version == "1.0":
        now |= {a: as_in_format_1_0(now[a], touching[a]) for a in touching.keys() & now.keys()}
    lines = [*_new_points(saved, changes, cluster_state), *changed_values(touching, now)]
    if lines and saved.server.version != str(version):
        lines.insert(0, f"the server was Qdrant {saved.server.version}, is now {version}")
    if lines:
        more = f"\n  and {len(lines) - _MAX_LINES} more" if len(lines) > _MAX_LINES else ""
        raise StaleError(
            "the saved plan is out of date; no changes were made",
            why="\n  ".join(lines[:_MAX_LINES]) + more,
            hint="Run plan again and review the new plan.",
        )


def _new_points(
    saved: Plan, changes: Mapping[str, Change], cluster_state: ClusterState
) -> Iterator[str]:
    """Points that the plan would destroy and that did not exist when it was made."""
    skipped = set(_without_snapshot(saved))
    for planned in _touched_changes(saved):
        live, change = cluster_state.live.get(planned.parsed_address), changes.get(planned.address)
        expected = any(step.snapshot is not ABSENT for step in planned.steps)
        if live is None or change is None or expected or planned.address in skipped:
            continue
        if destroys_points(change, live, BY_NAME[planned.parsed_address.kind]):
            points = "some" if live.facts.points is None else live.facts.points
            yield f"{planned.address}: points were added since: {points}"


def _without_snapshot(saved: Plan) -> Iterator[str]:
    """Addresses whose points the plan destroys without a snapshot."""
    for violation in saved.violations:
        if violation.rule == "QC210":
            yield str(violation.address)


def _with_destroyed_data(saved: Plan, changes: Mapping[str, Change]) -> Plan:
    """A plan of format 1.0 with the fields marked that destroy data: its JSON lacks the marks."""
    destroying = {
        (change.address, field.path)
        for change in changes.values()
        for field in change.fields
        if field.destroys_data
    }

    def with_marks(change: Change) -> Change:
        fields = (
            field.model_copy(update={"destroys_data": (change.address, field.path) in destroying})
            for field in change.fields
        )
        return change.model_copy(update={"fields": tuple(fields)})

    return saved.model_copy(update={"changes": tuple(map(with_marks, saved.changes))})
