"""The embedded server: a real Qdrant on loopback, one per project, that outlives the command.

A lock shows whether it runs, not a process id: the server inherits an open, locked file, and the
kernel releases the lock when the process exits for any reason. So a crashed process, a reboot, and
a copied or moved folder need no special handling.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from qdrantctl.adapters.local_server import folder as folders
from qdrantctl.adapters.local_server.binary import (
    find_binary as binary,  # part of this module's interface
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

READY_SECONDS = 60.0
"""Seconds, unless another time is given, until a server is ready: it loads its collections."""
START_TRIES = 4
"""How often ports are tried: another process may take them before they are used."""
START_POLL_SECONDS = 0.03
OWN = LaunchOptions()


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running server."""

    url: str
    """`http://127.0.0.1:PORT`."""
    pid: int
    folder: Path
    """`.qdrantctl` in the project's folder, absolute; `storage` and `log` are in it."""
    version: str
    """The server's version; empty until it has responded."""
    ports: Ports
    """REST, gRPC, peers."""


def ensure_server(
    root: Path,
    *,
    download: bool = False,
    report_progress: Callable[[str], None] = lambda _: None,
    options: LaunchOptions = OWN,
    timeout: float | None = None,
) -> LocalServer:
    """The project's server, ready for requests; started unless it runs already.

    `root` is the folder of the project file. The program may be fetched only with `download`.
    `report_progress` is called before long steps. `timeout` is in seconds. Raises ServerError.
    """
    folder = folders.server_folder(root)
    folders.prepare_folder(folder)
    seconds = READY_SECONDS if timeout is None else timeout
    with folders.lock_commands(folder, report_progress):
        # Wait for a running server, too: its start may have been interrupted.
        if process := folders.find_running_process(folder):
            try:
                process = _wait_until_ready(folder, process, options, seconds)
                return _describe_process(folder, process)
            except ServerError:
                if folders.is_server_locked(folder):
                    raise
                # It has exited meanwhile, so it is replaced.
        program = binary(download, report_progress)
        report_progress("starting Qdrant")
        return _describe_process(folder, _start_process(folder, program, options, seconds))


def find_server(root: Path) -> LocalServer | None:
    """The project's server if it runs. Raises ServerError if another process uses its storage."""
    folder = folders.server_folder(root)
    process = folders.find_running_process(folder)
    return _describe_process(folder, process) if process else None


def end_server(root: Path) -> bool:
    """End the project's server, within seconds; false if none was running. Raises ServerError."""
    folder = folders.server_folder(root)
    if not folder.is_dir():
        return False
    with folders.lock_commands(folder):
        process = folders.find_running_process(folder)
        if process is None:
            return False
        # The note is kept, so that the next start uses the same ports.
        end_process(process, lambda: not folders.is_server_locked(folder))
        return True


def _describe_process(folder: Path, process: ServerProcess) -> LocalServer:
    return LocalServer(process.url, process.pid, folder, process.version, process.ports)


def _start_process(
    folder: Path, program: Path, options: LaunchOptions, timeout: float
) -> ServerProcess:
    """Start the server and wait for it. The caller holds the lock. Raises ServerError."""
    previous = folders.read_note(folder)
    preferred = previous.ports if previous else (0, 0, 0)
    for remaining_tries in range(START_TRIES - 1, -1, -1):
        with folders.open_server_lock(folder) as lock, folders.clear_log(folder) as log:
            process = launch_server(program, folder, find_free_ports(preferred), lock, log, options)
        try:
            folders.write_note(folder, process)
        except BaseException:
            # Without a note no command could find it, and it would keep the storage locked.
            end_process(process, lambda: not folders.is_server_locked(folder))
            raise
        try:
            process = _wait_until_ready(folder, process, options, timeout)
        except ServerError:
            if not remaining_tries or not folders.port_was_taken(folder):
                raise
        # A server whose gRPC port was taken is ready as well, but without gRPC.
        if not remaining_tries or not folders.port_was_taken(folder):
            return process
        end_process(process, lambda: not folders.is_server_locked(folder))
        preferred = (0, 0, 0)
    raise AssertionError("the last try returns or raises")


def _wait_until_ready(
    folder: Path, process: ServerProcess, options: LaunchOptions, timeout: float
) -> ServerProcess:
    """The process with its version, as soon as it is ready for requests. Raises ServerError."""
    log = folder / folders.LOG
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        alive = folders.is_server_locked(folder)
        if version := request_version(process, folder, options.api_key):
            if version != process.version:
                process = replace(process, version=version)
                folders.write_note(folder, process)
            return process
        if not alive:
            raise ServerError(
                "the embedded server exited while it started",
                why=folders.read_log_errors(folder),
                hint=f"The full log is {log}",
            )
        if folders.port_was_taken(folder):
            break  # it keeps running without REST
        time.sleep(START_POLL_SECONDS)
    raise ServerError(
        f"the embedded server (pid {process.pid}) is not ready for requests at {process.url}",
        why=folders.read_log_errors(folder),
        hint="It keeps running: `qdrantctl dev up --wait-timeout SECONDS` waits longer, and "
        f"`qdrantctl dev down` ends it. The full log is {log}",
    )
