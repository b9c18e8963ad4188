"""The flow of `lock`: the committed state of every environment, written or checked. No server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


def lock(
    directory: Path, environment: str | None, today: date, environ: Mapping[str, str]
) -> tuple[Locked, ...]:
    """The state of the environment, or of every one; nothing is written yet.

    Raises UsageError without a project, ManifestError for what is wrong in any environment.
    """
    names = (environment,) if environment else environments(directory)
    return tuple(_locked(directory, name, today, environ) for name in names)


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
    return Locked(name, state(settings, desired(settings).inventory))
