"""What is overdue of the applied policies. Most clusters have none, so little is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.model.client import NodeClient
from qdrantctl.model.resource import Inventory
from qdrantctl.model.violation import Violation

if TYPE_CHECKING:
    from qdrantctl.engine.snapshots.policy_status import PolicyFinding

POLICY = "snapshot_policy"


def check_policies(
    settings: Settings, client: NodeClient, remembered: Inventory
) -> list[PolicyFinding]:
    """Findings about the applied policies; without a policy no request is sent.

    Raises ClusterError.
    """
    recorded = (r for a, r in remembered.items() if a.kind == POLICY and r.record)
    if not any(r.record and r.record.owner in settings.owners for r in recorded):
        return []
    from qdrantctl.flows.cluster.nodes import JobContext
    from qdrantctl.flows.snapshots.policies.status import read_policies

    job = JobContext(client, lambda _: None, lambda: False, settings.nodes)
    return [
        finding
        for policy in read_policies(settings, job)
        for finding in policy.status.findings(client.server_time)
    ]


def policy_violations(
    settings: Settings, client: NodeClient, remembered: Inventory
) -> tuple[Violation, ...]:
    """The same findings as violations of a plan. Raises ClusterError."""
    if not (findings := check_policies(settings, client, remembered)):
        return ()
    from qdrantctl.engine.snapshots.policy_status import finding_violations

    return tuple(finding_violations(findings))
