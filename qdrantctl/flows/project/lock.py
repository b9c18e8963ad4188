"""The flow of `lock`: the committed state of every environment, written or checked. No server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from qdrantctl.adapters.project.settings import environments, resolve
from qdrantctl.flows.state.committed import State, state
from qdrantctl.flows.state.desired import desired


@dataclass(frozen=True, slots=True)
class Locked:
    """One environment and its state; None where it has none, with the reason."""

    environment: str
    state: State | None
    why: str = ""
    stale: Mapping[str, str] = field(default_factory=dict)
    """What was out of date, by file, before anything was written."""


def lock(
    directory: Path,
    environment: str | None,
    today: date,
    environ: Mapping[str, str],
    *,
    check_only: bool,
) -> tuple[Locked, ...]:
    """Bring the state of the environment, or of every one, up to date unless it is only checked.

    Raises UsageError without a project, ManifestError for errors in any environment, before
    anything is written.
    """
    names = (environment,) if environment else environments(directory)
    locked = tuple(_locked(directory, name, today, environ) for name in names)
    for each in locked:
        if each.state and not check_only:
            each.state.write()
    return locked


def _locked(directory: Path, name: str, today: date, environ: Mapping[str, str]) -> Locked:
    settings = resolve(
        directory=directory,
        files=(),
        url=None,
        environment=name,
        need_server=False,
        today=today,
        environ=environ,
    )
    if settings.stateless:
        return Locked(name, None, settings.stateless)
    committed = state(settings, desired(settings).inventory)
    return Locked(name, committed, stale=committed.stale if committed else {})
