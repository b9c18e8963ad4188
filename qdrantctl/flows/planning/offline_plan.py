"""The flow of `plan --offline`: compare manifests with committed state. No server, no key."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date

from qdrantctl import __version__
from qdrantctl.adapters.project import committed_state as state_files
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.ledger import LedgerContents
from qdrantctl.adapters.system import git
from qdrantctl.engine.planning.references import list_references
from qdrantctl.engine.safety.rules import check_safety
from qdrantctl.flows.planning.plan import (
    PlanOptions,
    compute_changes,
    plan_notices,
    recorded_options,
)
from qdrantctl.flows.state.committed import read_commit, with_locked_versions
from qdrantctl.flows.state.desired import deprecation_notes, load_desired_state
from qdrantctl.flows.state.live import ClusterState
from qdrantctl.flows.state.protection import protected_settings, read_protection
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.errors import UsageError
from qdrantctl.model.plan import OfflineSource, Plan, PlannedServer
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import UNKNOWN, Server


def plan_offline(settings: Settings, options: PlanOptions, base: str | None, today: date) -> Plan:
    """The changes of the manifests relative to the state committed at `base`, else at HEAD.

    The committed state is used as last-applied and as live state. The plan has no steps and no
    data that only a cluster has: points, drift, features of the server's version.

    Raises ManifestError, UsageError, SettingsError.
    """
    if settings.no_state_reason:
        raise UsageError(
            "--offline compares with committed state",
            why=f"There is none: {settings.no_state_reason}.",
        )
    settings = protected_settings(read_protection(settings, LedgerContents(), today))
    desired_state = with_locked_versions(settings, load_desired_state(settings))
    committed = _committed_state(settings, base)
    live = with_aliases_as_facts(committed)
    cluster_state = ClusterState(live, committed, LedgerContents(exists=True))
    changes, safety_input = compute_changes(
        settings, options, desired_state, cluster_state, Server(UNKNOWN, ""), today
    )
    safety = check_safety(safety_input, settings.valid_consents(options.consents))
    ref = base or git.HEAD
    return Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer(version="", url="", distributed=False),
        offline=OfflineSource(ref=ref, commit=git.resolve_commit(settings.root, ref)),
        manifests_digest=desired_state.digest,
        options=recorded_options(settings, options),
        changes=tuple(
            change.model_copy(update={"steps": ()}) if change.steps else change
            for change in changes
        ),
        violations=(
            *desired_state.violations,
            *deprecation_notes(desired_state, settings, settings.gates.min_server_version),
            *safety.violations,
            *plan_notices(settings, options, safety.used),
        ),
        references=list_references(changes, safety_input.context, BY_NAME),
    )


def with_aliases_as_facts(committed: Inventory) -> Inventory:
    """The committed state with the aliases of each collection, as a cluster reports them."""
    aliases: dict[str, list[str]] = {}
    for address, resource in committed.items():
        if address.kind == "alias":
            aliases.setdefault(resource.spec["collection"], []).append(address.name)
    return Inventory(
        replace(
            resource,
            facts=replace(resource.facts, aliases=tuple(sorted(aliases.get(address.name, ())))),
        )
        if address.kind == "collection"
        else resource
        for address, resource in committed.items()
    )


def _committed_state(settings: Settings, base: str | None) -> Inventory:
    """The state in a commit. Raises UsageError for an unknown commit."""
    folder = settings.state_folder
    assert folder is not None
    if base and not git.resolve_commit(settings.root, base):
        raise UsageError(
            f"--base {base}: no such commit in this repository",
            hint="Name a branch, a tag or a commit that was fetched, as in --base origin/main.",
        )
    texts = read_commit(settings, state_files.read_state(folder), base or git.HEAD)
    shown = os.path.relpath(folder, settings.root)
    resources = state_files.parse_resources(texts, shown, settings.owner)
    return Inventory(resource for resource in resources if resource.address.kind in BY_NAME)
