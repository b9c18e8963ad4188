"""The embedded server: a real Qdrant on loopback, one per project, that outlives the command.

Whether it runs is told by a lock, not by a process id: the server inherits an open, locked file,
and the kernel lets go of that when the process is gone, however it ended. So a process that died,
a reboot, and a copied or moved folder need no rules of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from qdrantctl.adapters.local_server import folder as place
from qdrantctl.adapters.local_server.binary import (
    find_binary as binary,  # part of what this door offers
)
from qdrantctl.adapters.local_server.process import (
    LaunchOptions,
    Ports,
    ServerProcess,
    end_process,
    find_free_ports,
    launch_server,
    request_version,
)
from qdrantctl.model.errors import ServerError

READY_SECONDS = 30.0
START_TRIES = 4
"""How often ports are tried: another process may take them before they are used."""
START_POLL_SECONDS = 0.03
OWN = LaunchOptions()


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that runs."""

    url: str
    """`http://127.0.0.1:PORT`."""
    pid: int
    folder: Path
    """`.qdrantctl` in the project's folder, absolute; `storage` and `log` are in it."""
    version: str
    """The server's own; empty as long as it has not answered."""
    ports: Ports
    """REST, gRPC, peers."""


def ensure_server(
    root: Path,
    *,
    download: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    manner: LaunchOptions = OWN,
) -> LocalServer:
    """The project's server, ready for requests; started unless it runs already.

    `root` is the folder of the project file. Only with `download` the program may be fetched;
    `tell` hears what takes long. Raises ServerError.
    """
    folder = place.server_folder(root)
    place.prepare_folder(folder)
    with place.lock_commands(folder):
        # One that runs is waited for too: its start may have been interrupted.
        if process := place.find_running_process(folder):
            try:
                return _describe_process(folder, _wait_until_ready(folder, process, manner))
            except ServerError:
                if place.is_server_locked(folder):
                    raise
                # It was about to end; it is replaced as if it had ended before.
        program = binary(download, tell)
        tell("starting Qdrant")
        return _describe_process(folder, _start_process(folder, program, manner))


def find_server(root: Path) -> LocalServer | None:
    """The project's server if it runs. Raises ServerError when a stranger uses its storage."""
    folder = place.server_folder(root)
    process = place.find_running_process(folder)
    return _describe_process(folder, process) if process else None


def end_server(root: Path) -> bool:
    """End the project's server, within seconds; false when none ran. Raises ServerError."""
    folder = place.server_folder(root)
    if not folder.is_dir():
        return False
    with place.lock_commands(folder):
        process = place.find_running_process(folder)
        if process is None:
            return False
        # The note about it stays, so that the next start takes the same ports.
        end_process(process, lambda: not place.is_server_locked(folder))
        return True


def _describe_process(folder: Path, process: ServerProcess) -> LocalServer:
    return LocalServer(process.url, process.pid, folder, process.version, process.ports)


def _start_process(folder: Path, program: Path, manner: LaunchOptions) -> ServerProcess:
    """Start the server and wait for it, while no other process starts one. Raises ServerError."""
    before = place.read_note(folder)
    wished = before.ports if before else (0, 0, 0)
    for left in range(START_TRIES - 1, -1, -1):
        with place.open_server_lock(folder) as lock, place.clear_log(folder) as log:
            process = launch_server(program, folder, find_free_ports(wished), lock, log, manner)
        try:
            place.write_note(folder, process)
        except BaseException:
            # Without a note no command would find it again, and it would hold the storage for good.
            end_process(process, lambda: not place.is_server_locked(folder))
            raise
        try:
            process = _wait_until_ready(folder, process, manner)
        except ServerError:
            if not left or not place.port_was_taken(folder):
                raise
        # A server that could not have its port for gRPC is ready all the same, without it.
        if not left or not place.port_was_taken(folder):
            return process
        end_process(process, lambda: not place.is_server_locked(folder))
        wished = (0, 0, 0)
    raise AssertionError("the last try returns or raises")


def _wait_until_ready(folder: Path, process: ServerProcess, manner: LaunchOptions) -> ServerProcess:
    """The process with its version, as soon as it takes requests. Raises ServerError."""
    log = folder / place.LOG
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        alive = place.is_server_locked(folder)
        if version := request_version(process, folder, manner.api_key):
            if version != process.version:
                process = replace(process, version=version)
                place.write_note(folder, process)
            return process
        if not alive:
            raise ServerError(
                "the embedded server ended while it started",
                why=place.read_log_errors(folder),
                hint=f"Its whole log is {log}",
            )
        if place.port_was_taken(folder):
            break  # it lives on without REST
        time.sleep(START_POLL_SECONDS)
    raise ServerError(
        f"the embedded server (pid {process.pid}) is not ready for requests at {process.url}",
        why=place.read_log_errors(folder),
        hint=f"Try again, or end it with qdrantctl dev down. Its whole log is {log}",
    )
