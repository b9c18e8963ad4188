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
from qdrantctl.adapters.local_server.access import Access, read_access, write_access
from qdrantctl.adapters.local_server.container import container_name, stop_container
from qdrantctl.adapters.local_server.process import (
    LaunchOptions,
    Ports,
    ServerProcess,
    end_process,
    find_free_ports,
    launch_server,
    request_version,
)
from qdrantctl.adapters.local_server.program import Program, find_server_program
from qdrantctl.model.errors import ServerError

READY_SECONDS = 60.0
"""Seconds, unless another time is given, until a server is ready: it loads its collections."""
START_TRIES = 4
"""How often ports are tried: another process may take them before they are used."""
START_POLL_SECONDS = 0.03


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
    access: Access
    """What it requires of its clients."""


@dataclass(frozen=True, slots=True)
class AccessChange:
    """What `dev up` says of the API key and of tokens; None keeps what the server has."""

    api_key: bool | None = None
    takes_tokens: bool | None = None


def ensure_server(
    root: Path,
    *,
    version: str = "",
    download: bool = False,
    report_progress: Callable[[str], None] = lambda _: None,
    options: LaunchOptions | None = None,
    access: AccessChange = AccessChange(),
    timeout: float | None = None,
) -> LocalServer:
    """The project's server, ready for requests; started unless it runs already.

    `root` is the folder of the project file, `version` the one that its environment states, if it
    does. The program may be fetched only with `download`. Without `options` the server has the
    access that is kept in its folder, after `access` changed it. `report_progress` is called before
    long steps. `timeout` is in seconds. Raises ServerError.
    """
    folder = folders.server_folder(root)
    folders.prepare_folder(folder)
    seconds = READY_SECONDS if timeout is None else timeout
    with folders.lock_commands(folder, report_progress):
        running = folders.find_running_process(folder)
        options = options or LaunchOptions(_change_access(folder, access, is_running=bool(running)))
        # Wait for a running server, too: its start may have been interrupted.
        if running:
            try:
                process = _wait_until_ready(folder, running, options, seconds)
                _require_version(process, version)
                return _describe_process(folder, process, options.access)
            except ServerError:
                if folders.is_server_locked(folder):
                    raise
                # It has exited meanwhile, so it is replaced.
        program = find_server_program(version, download, report_progress)
        _remove_abandoned_container(folder)
        report_progress("starting Qdrant")
        process = _start_process(folder, program, options, seconds)
        return _describe_process(folder, process, options.access)


def find_server(root: Path) -> LocalServer | None:
    """The project's server if it runs. Raises ServerError if another process uses its storage."""
    folder = folders.server_folder(root)
    process = folders.find_running_process(folder)
    return _describe_process(folder, process, read_access(folder)) if process else None


def end_server(root: Path) -> bool:
    """End the project's server, within seconds; false if none was running. Raises ServerError."""
    folder = folders.server_folder(root)
    if not folder.is_dir():
        return False
    with folders.lock_commands(folder):
        process = folders.find_running_process(folder)
        if process is None:
            _remove_abandoned_container(folder)
            return False
        # The note is kept, so that the next start uses the same ports.
        end_process(process, lambda: not folders.is_server_locked(folder))
        return True


def _describe_process(folder: Path, process: ServerProcess, access: Access) -> LocalServer:
    return LocalServer(process.url, process.pid, folder, process.version, process.ports, access)


def _change_access(folder: Path, change: AccessChange, *, is_running: bool) -> Access:
    """The access of the project's server, kept for later starts. Raises ServerError."""
    kept = read_access(folder)
    access = kept.change(api_key=change.api_key, takes_tokens=change.takes_tokens)
    if access != kept:
        if is_running:
            raise ServerError(
                f"the embedded server runs already, {kept}",
                hint="Run qdrantctl dev down first; the data is kept.",
            )
        write_access(folder, access)
    return access


def _require_version(process: ServerProcess, version: str) -> None:
    """Raise ServerError if a running server has another version than the stated one."""
    if version and process.version != version:
        raise ServerError(
            f"the embedded server runs Qdrant {process.version}, and the environment states "
            f"version: {version}",
            hint="Run qdrantctl dev down; the next start takes the stated version, with the same "
            "data. An older server may not be able to read the data of a newer one.",
        )


def _remove_abandoned_container(folder: Path) -> None:
    """Remove the container of a server whose process was killed; it still uses the storage.

    A copied or moved folder carries a note about a container that is not its own.
    """
    note = folders.read_note(folder)
    if note and note.container == container_name(folder):
        stop_container(note.engine, note.container)


def _start_process(
    folder: Path, program: Program, options: LaunchOptions, timeout: float
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
        if version := request_version(process, folder, options.access.api_key):
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
