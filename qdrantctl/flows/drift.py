"""The flow of `drift`: read the worlds, tell what moved. It only reads, and needs no lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from qdrantctl import __version__
from qdrantctl.adapters.project import drift_baseline
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant.ledger import LEDGER_COLLECTION
from qdrantctl.engine import drift as engine
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.snapshots.policy_status import KIND as POLICY
from qdrantctl.engine.snapshots.policy_status import WORDS, PolicyFinding
from qdrantctl.flows.snapshots.policies.status import check_policies
from qdrantctl.flows.state.desired import load_desired_state, merge_unselected
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.access_keys.generation import REGISTRY_COLLECTION
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.drift import Baseline, Drift
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import PlannedServer
from qdrantctl.model.resource import Inventory


def detect_drift(
    settings: Settings, client: NodeClient, today: date, progress: Progress, *, strict: bool
) -> Drift:
    """What moved since it was applied, and what was not applied yet.

    Without manifests the ledger's records are compared with the cluster, and nothing else. With
    `strict` what is not managed counts as drift. Raises ClusterError, and ManifestError.
    """
    wanted = load_desired_state(settings).inventory if settings.manifests else Inventory()
    progress(f"asking {client.server.url}")
    owners = frozenset({settings.owner, *settings.previous_owners})
    cluster_state = read_cluster_state(client, wanted, progress, settings.owners, detailed=True)
    question = PlanInput(
        owner=settings.owner,
        server=client.server,
        today=today,
        desired=merge_unselected(wanted, cluster_state.remembered) if settings.partial else wanted,
        live=cluster_state.live,
        remembered=cluster_state.remembered,
        previous_owners=settings.previous_owners,
        partial=settings.partial,
        removed=settings.removed,
    )
    policed = any(address.kind == POLICY for address in question.recorded)
    unkept = check_policies(settings, client, cluster_state.remembered)
    known = _recorded_owners(cluster_state)
    lost = not known & owners and _must_have_applied(settings)
    result = Drift(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(client.server, cluster_state.ledger.cluster_id),
        recorded=len(question.recorded),
        lost=lost,
        strict=strict,
        changed=tuple(engine.drifted_resources(question, BY_NAME)),
        unmanaged=tuple(engine.unmanaged_resources(question, BY_NAME)),
        interrupted=tuple(engine.interrupted_addresses(question)),
        notes=(
            *_drift_notes(settings, cluster_state, known & owners, known),
            *_registry_notes(question, client),
            *(each.message for each in unkept),
        ),
        snapshots=_count_by_kind(unkept) if policed else ABSENT,
    )
    if not settings.manifests:
        return result
    pending = tuple(engine.unapplied_resources(question, BY_NAME))
    return result.model_copy(update={"not_applied": pending})


def baseline_of(drift: Drift) -> Baseline:
    """All drift of a report, as a baseline."""
    return engine.make_baseline(drift.owner, (*drift.changed, *drift.unmanaged))


def with_baseline(drift: Drift, baseline: Baseline) -> Drift:
    """The report with what the baseline holds marked as known."""
    marked = {
        "changed": engine.mark_known(drift.changed, baseline),
        "unmanaged": engine.mark_known(drift.unmanaged, baseline),
    }
    return drift.model_copy(update=marked)


def compare_with_baseline(drift: Drift, path: Path, *, update: bool) -> Drift:
    """The report with known drift marked; `update` first writes all drift to the baseline file.

    Raises SettingsError for a file that is no baseline of this owner.
    """
    if update:
        drift_baseline.write_baseline(path, baseline_of(drift))
    return with_baseline(drift, drift_baseline.read_baseline(path, drift.owner))


def _must_have_applied(settings: Settings) -> bool:
    """Whether something must have been applied, whatever the ledger says.

    Either the committed state says so, or whoever runs this from the owner's name alone.
    """
    if not settings.manifests:
        return True
    folder = settings.state_folder
    return folder is not None and any(folder.rglob("*.yaml"))


def _count_by_kind(found: Iterable[PolicyFinding]) -> dict[str, int]:
    """How many there are of each kind, none of a kind included."""
    return dict.fromkeys(WORDS, 0) | Counter(each.word for each in found)


def _recorded_owners(cluster_state: ClusterState) -> frozenset[str]:
    """Everybody of whom the ledger holds an entry, were it of a deleted resource."""
    entries: Mapping[Any, Mapping[str, Any]] = cluster_state.ledger.entries
    return frozenset(str(entry["owner"]) for entry in entries.values())


def _registry_notes(plan_input: PlanInput, client: Client) -> Iterator[str]:
    """What it means that the registry of keys is gone, and the way back."""
    gone = [
        address
        for address, ours in plan_input.recorded.items()
        if ours.spec.get("revocable") and address not in plan_input.live
    ]
    if gone and not registry.registry_exists(client):
        yield (
            f"the registry of keys ({REGISTRY_COLLECTION}) is gone: every token that can be "
            "revoked is "
            "refused. `qdrantctl apply` makes it again with new generations, "
            "`qdrantctl keys issue --all` their tokens"
        )


def _drift_notes(
    settings: Settings, cluster_state: ClusterState, ours: frozenset[str], known: frozenset[str]
) -> Iterator[str]:
    """What a reader must know to trust the report."""
    yield from settings.notes
    if not cluster_state.ledger.exists:
        yield f"no ledger ({LEDGER_COLLECTION}): nothing was ever applied, or it was deleted"
    elif not ours:
        others = f"; it knows {', '.join(sorted(known))}" if known else ""
        yield f"the ledger knows nothing of {settings.owner}{others}"
    for address, live in cluster_state.live.items():
        for field, cause in sorted(live.facts.unread.items()):
            yield f"{address}: {field} could not be read and is not compared ({cause})"
