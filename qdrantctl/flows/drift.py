"""The flow of `drift`: read the states and report differences. It only reads, without a lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrantctl import __version__
from qdrantctl.adapters.project import drift_baseline
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant.ledger import LEDGER_COLLECTION
from qdrantctl.engine import drift as engine
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.safety.replacement import describe_kept, describe_run
from qdrantctl.flows.snapshots.policies.findings import POLICY, check_policies
from qdrantctl.flows.state.clones import classify_owners, clone_notices
from qdrantctl.flows.state.desired import load_desired_state, merge_unselected
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.access_keys.generation import REGISTRY_COLLECTION
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.drift import Baseline, Drift
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import PlannedServer
from qdrantctl.model.resource import Inventory

if TYPE_CHECKING:
    from qdrantctl.engine.snapshots.policy_status import PolicyFinding


def detect_drift(
    settings: Settings, client: NodeClient, today: date, progress: Progress, *, strict: bool
) -> Drift:
    """Fields that changed since the last apply, and manifests that are not applied yet.

    Without manifests only the ledger's records are compared with the cluster. With `strict`
    unmanaged resources count as drift. Raises ClusterError, ManifestError.
    """
    desired = load_desired_state(settings).inventory if settings.manifests else Inventory()
    progress(f"connecting to {client.server.url}")
    owners = frozenset({settings.owner, *settings.previous_owners})
    cluster_state = read_cluster_state(client, desired, progress, settings.owners, detailed=True)
    plan_input = PlanInput(
        owner=settings.owner,
        server=client.server,
        today=today,
        desired=merge_unselected(desired, cluster_state.remembered)
        if settings.partial
        else desired,
        live=cluster_state.live,
        remembered=cluster_state.remembered,
        names=cluster_state.names,
        previous_owners=settings.previous_owners,
        origins=classify_owners(settings, cluster_state.ledger),
        partial=settings.partial,
        removed=settings.removed,
    )
    has_policies = any(address.kind == POLICY for address in plan_input.recorded)
    policy_findings = check_policies(settings, client, cluster_state.remembered)
    recorded_owners = _recorded_owners(cluster_state)
    is_ledger_lost = not recorded_owners & owners and _must_have_applied(settings)
    result = Drift(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(client.server, cluster_state.ledger.cluster_id),
        recorded=len(plan_input.recorded),
        lost=is_ledger_lost,
        strict=strict,
        changed=(
            *engine.hidden_resources(plan_input, BY_NAME, managed=True),
            *engine.drifted_resources(plan_input, BY_NAME),
        ),
        unmanaged=(
            *engine.hidden_resources(plan_input, BY_NAME, managed=False),
            *engine.unmanaged_resources(plan_input, BY_NAME),
        ),
        interrupted=tuple(engine.interrupted_addresses(plan_input)),
        notes=(
            *_drift_notes(settings, cluster_state, recorded_owners & owners, recorded_owners),
            *_replacement_notes(cluster_state),
            *_registry_notes(plan_input, client),
            *_limit_notes(plan_input),
            *(finding.message for finding in policy_findings),
        ),
        snapshots=_count_by_kind(policy_findings) if has_policies else ABSENT,
    )
    if not settings.manifests:
        return result
    pending = tuple(engine.unapplied_resources(plan_input, BY_NAME))
    return result.model_copy(update={"not_applied": pending})


def baseline_of(drift: Drift) -> Baseline:
    """All drift of a report, as a baseline."""
    return engine.make_baseline(drift.owner, (*drift.changed, *drift.unmanaged))


def with_baseline(drift: Drift, baseline: Baseline) -> Drift:
    """The report with the drift of the baseline marked as known."""
    marked = {
        "changed": engine.mark_known(drift.changed, baseline),
        "unmanaged": engine.mark_known(drift.unmanaged, baseline),
    }
    return drift.model_copy(update=marked)


def compare_with_baseline(drift: Drift, path: Path, *, update: bool) -> Drift:
    """The report with known drift marked; `update` first writes all drift to the baseline file.

    Raises SettingsError for a file that is not a baseline of this owner.
    """
    if update:
        drift_baseline.write_baseline(path, baseline_of(drift))
    return with_baseline(drift, drift_baseline.read_baseline(path, drift.owner))


def _must_have_applied(settings: Settings) -> bool:
    """Whether this owner must have applied before, even if the ledger has no record of it.

    True if committed state exists, or if no manifests were given and only the owner was named.
    """
    if not settings.manifests:
        return True
    folder = settings.state_folder
    return folder is not None and any(folder.glob("*/*.yaml"))


def _count_by_kind(findings: Iterable[PolicyFinding]) -> dict[str, int]:
    """Number of findings of each kind, including kinds without any."""
    from qdrantctl.engine.snapshots.policy_status import WORDS

    return dict.fromkeys(WORDS, 0) | Counter(finding.word for finding in findings)


def _recorded_owners(cluster_state: ClusterState) -> frozenset[str]:
    """Every owner with an entry in the ledger, including entries of deleted resources."""
    entries: Mapping[Any, Mapping[str, Any]] = cluster_state.ledger.entries
    return frozenset(str(entry["owner"]) for entry in entries.values())


def _registry_notes(plan_input: PlanInput, client: Client) -> Iterator[str]:
    """A note if the registry of keys was deleted: its effect, and how to recreate it."""
    missing = [
        address
        for address, resource in plan_input.recorded.items()
        if resource.spec.get("revocable") and address not in plan_input.live
    ]
    if missing and not registry.registry_exists(client):
        yield (
            f"the registry of keys ({REGISTRY_COLLECTION}) was deleted: the server refuses every "
            "revocable token. `qdrantctl apply` recreates it with new generations, "
            "`qdrantctl keys issue --all` issues their tokens"
        )


def _replacement_notes(cluster_state: ClusterState) -> Iterator[str]:
    """Replacements without downtime of this owner: under way, or with an old collection kept."""
    for address, record in cluster_state.replacements.items():
        if record.owner in cluster_state.owners:
            told = describe_kept(record) if record.is_kept else describe_run(record)
            yield f"{address}: {told}"


def _limit_notes(plan_input: PlanInput) -> Iterator[str]:
    for address, limits in engine.unchanged_limits(plan_input, BY_NAME):
        yield (
            f"{address}: limits that no manifest states, unchanged since the last apply: "
            f"{', '.join(limits)}"
        )


def _drift_notes(
    settings: Settings,
    cluster_state: ClusterState,
    own_names: frozenset[str],
    recorded_owners: frozenset[str],
) -> Iterator[str]:
    """Notes about missing or unreadable data that limit the report."""
    yield from settings.notes
    if not cluster_state.ledger.exists:
        yield f"no ledger ({LEDGER_COLLECTION}): nothing was ever applied, or it was deleted"
    elif not own_names:
        known_owners = (
            f"; it has entries of {', '.join(sorted(recorded_owners))}" if recorded_owners else ""
        )
        yield f"the ledger has no entry of {settings.owner}{known_owners}"
    for notice in clone_notices(settings, (), cluster_state.ledger):
        yield f"{notice.message}. {notice.hint}".rstrip(".")
    for address, live in cluster_state.live.items():
        for field, cause in sorted(live.facts.unread.items()):
            yield f"{address}: {field} could not be read and is not compared ({cause})"
