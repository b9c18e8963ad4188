"""The flows of `dev`: start, stop and inspect the embedded server of a project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from qdrantctl.adapters.local_server import scratch, server
from qdrantctl.adapters.local_server.server import AccessChange as AccessChange
from qdrantctl.adapters.local_server.server import LocalServer as LocalServer
from qdrantctl.adapters.project.embedded_version import find_embedded_version
from qdrantctl.adapters.project.settings import find_project_file


def start_server(
    directory: Path,
    environment: str | None,
    access: AccessChange,
    progress: Callable[[str], None],
    timeout: float | None = None,
) -> LocalServer:
    """Start the server unless it runs; download the program if it is missing.

    `environment` is the one whose version it gets. `timeout` is the time in seconds until it is
    ready. Raises ServerError, UsageError.
    """
    return server.ensure_server(
        _project_root(directory),
        version=find_embedded_version(directory, environment),
        download=True,
        report_progress=progress,
        access=access,
        timeout=timeout,
    )


def stop_server(directory: Path) -> tuple[bool, int]:
    """Stop the server; its data stays. Also removes servers that verifications left behind.

    Returns whether it was running, and how many verifications were removed. Raises ServerError.
    """
    root = _project_root(directory)
    return server.end_server(root), scratch.remove_dead_scratch(root)


def running_server(directory: Path) -> LocalServer | None:
    """The server, if it runs."""
    return server.find_server(_project_root(directory))


def _project_root(directory: Path) -> Path:
    """The folder of the project file, as plan finds it, else the directory itself."""
    start = Path(os.path.abspath(directory))  # noqa: PTH100  # symbolic links stay as written
    project_file = find_project_file(start)
    return project_file.parent if project_file else start
