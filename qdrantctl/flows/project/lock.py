"""The flow of `lock`: write or check the committed state of every environment. No server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from qdrantctl.adapters.project.settings import list_environments, resolve_settings
from qdrantctl.flows.state.committed import CommittedState, compute_committed_state
from qdrantctl.flows.state.desired import load_desired_state


@dataclass(frozen=True, slots=True)
class LockedEnvironment:
    """One environment and its state; None if it has none, with the reason."""

    environment: str
    state: CommittedState | None
    why: str = ""
    stale: Mapping[str, str] = field(default_factory=dict)
    """Faults of out-of-date files, by file, before anything was written."""


def lock_environments(
    directory: Path,
    environment: str | None,
    today: date,
    environ: Mapping[str, str],
    *,
    check_only: bool,
) -> tuple[LockedEnvironment, ...]:
    """Update the state of the environment, or of every one, unless it is only checked.

    Raises UsageError without a project, ManifestError for errors in any environment, before
    anything is written.
    """
    names = (environment,) if environment else list_environments(directory)
    locked = tuple(_lock_environment(directory, name, today, environ) for name in names)
    for locked_environment in locked:
        if locked_environment.state and not check_only:
            locked_environment.state.write()
    return locked


def _lock_environment(
    directory: Path, name: str, today: date, environ: Mapping[str, str]
) -> LockedEnvironment:
    settings = resolve_settings(
        directory=directory,
        files=(),
        url=None,
        environment=name,
        need_server=False,
        today=today,
        environ=environ,
    )
    if settings.no_state_reason:
        return LockedEnvironment(name, None, settings.no_state_reason)
    committed = compute_committed_state(settings, load_desired_state(settings).inventory)
    return LockedEnvironment(name, committed, stale=committed.out_of_date if committed else {})
