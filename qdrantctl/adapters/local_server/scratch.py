"""Temporary local servers for tests of snapshots: empty at first, removed afterwards.

They hold production data, so they accept only requests with a random key.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from qdrantctl.adapters.local_server import folder as folders
from qdrantctl.adapters.local_server import server as devserver
from qdrantctl.adapters.local_server.access import Access
from qdrantctl.adapters.local_server.process import LaunchOptions, make_peer_uri
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.model.errors import ServerError
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call

SCRATCH_FOLDER = "scratch"
JOIN_SECONDS = 30.0
"""Seconds within which every server lists every other as a peer."""


@contextmanager
def run_scratch_servers(
    root: Path, count: int, report_progress: Callable[[str], None], version: str = ""
) -> Iterator[tuple[Endpoint, ...]]:
    """Run `count` servers as one cluster, below the folder of the project in `root`.

    `version` is theirs; empty for that of any program on this machine.

    Raises ServerError.
    """
    server_home = folders.server_folder(root)
    folders.prepare_folder(server_home)
    with ExitStack() as stack:
        # Locked, so that no process removes the folder as a dead one before it is held.
        with folders.lock_commands(server_home):
            folder = folders.make_private_folder(server_home / SCRATCH_FOLDER)
            stack.enter_context(folders.hold_folder(folder))
        try:
            yield _start_scratch_servers(folder, count, report_progress, version)
        finally:
            with folders.lock_commands(server_home):
                _remove_scratch_folder(folder)


def remove_dead_scratch(root: Path) -> int:
    """End and remove the servers of crashed processes; their number. Raises ServerError."""
    home, count = folders.server_folder(root), 0
    if not (home / SCRATCH_FOLDER).is_dir():
        return 0
    with folders.lock_commands(home):
        for folder in sorted((home / SCRATCH_FOLDER).glob("*/")):
            with folders.hold_folder(folder) as free:
                if free:
                    _remove_scratch_folder(folder)
                    count += 1
    return count


def _start_scratch_servers(
    folder: Path, count: int, report_progress: Callable[[str], None], version: str
) -> tuple[Endpoint, ...]:
    api_key, bootstrap = secrets.token_urlsafe(24), ""
    endpoints: list[Endpoint] = []
    for number in range(count):
        root = folder / str(number)
        root.mkdir()
        options = LaunchOptions(Access(api_key), in_cluster=count > 1, bootstrap=bootstrap)
        server = devserver.ensure_server(
            root, version=version, report_progress=report_progress, options=options
        )
        bootstrap = bootstrap or make_peer_uri(server.ports) if count > 1 else ""
        endpoints.append(Endpoint(server.url, api_key))
    _wait_until_joined(endpoints)
    return tuple(endpoints)


def _wait_until_joined(endpoints: list[Endpoint]) -> None:
    for endpoint in endpoints:
        with RestClient(endpoint) as client:
            count = poll(
                partial(_peers, client), lambda c: c >= len(endpoints), timeout=JOIN_SECONDS
            )
        if count < len(endpoints):
            raise ServerError(
                f"{endpoint.url} did not join the other servers",
                hint="Run the verification again; it starts new servers on this machine.",
            )


def _peers(client: RestClient) -> int:
    return len(client.request(Call(method="GET", path="/cluster"))["peers"])


def _remove_scratch_folder(folder: Path) -> None:
    for root in sorted(folder.glob("*/")):
        devserver.end_server(root)
    shutil.rmtree(folder, ignore_errors=True)
