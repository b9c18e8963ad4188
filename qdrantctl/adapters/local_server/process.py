"""The embedded server's process: ports, environment, readiness and termination."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from qdrantctl.adapters.local_server.access import Access
from qdrantctl.adapters.local_server.container import (
    ContainerImage,
    container_name,
    container_settings,
    run_arguments,
    stop_container,
)
from qdrantctl.adapters.local_server.program import Program
from qdrantctl.adapters.qdrant.http import ConnectionFailed, HttpConnection, ResponseLost
from qdrantctl.model.errors import ServerError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll

HOST = "127.0.0.1"
PEER_URI = f"http://{HOST}:1"
"""The URI of a node for its peers. Qdrant stores it and refuses to start with a different one. No
peer contacts a single node, so the URI is a constant on which no process listens, and the port for
peers may differ at each start."""
ANSWER_SECONDS = 2.0
TERM_SECONDS, KILL_SECONDS = 20.0, 5.0
EXIT_POLL_SECONDS = 0.03

Ports = tuple[int, int, int]
"""The ports for REST, gRPC and peers."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A started server; the content of `server.json`."""

    pid: int
    """Also the id of its process group."""
    began: str
    """The start time in the system's format; it distinguishes a reused pid."""
    http_port: int
    grpc_port: int
    p2p_port: int
    version: str = ""
    container: str = ""
    """The name of its container; empty if the process is the program itself."""
    engine: str = ""
    """The program that runs its container."""

    @property
    def url(self) -> str:
        """The REST address."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def ports(self) -> Ports:
        """REST, gRPC, peers."""
        return self.http_port, self.grpc_port, self.p2p_port


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """How a server is started; by default as a project's single server without an API key."""

    access: Access = field(default_factory=Access)
    in_cluster: bool = False
    """Whether it is one of several servers that form a cluster."""
    bootstrap: str = ""
    """The URI of the peer that it joins; empty for the first."""


def find_free_ports(preferred: Ports) -> Ports:
    """Three free ports on loopback: the requested ones if free; 0 is any."""
    with ExitStack() as stack:
        http, grpc, p2p = (_find_free_port(stack, port) for port in preferred)
    return http, grpc, p2p


def _find_free_port(stack: ExitStack, preferred: int) -> int:
    for port in (preferred, 0):
        probe = stack.enter_context(socket.socket())
        if port:
            # Connections of the last server in TIME_WAIT do not count as used.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, OverflowError):
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise ServerError(f"there is no free port on {HOST}")


def launch_server(
    program: Program,
    folder: Path,
    ports: Ports,
    lock: BinaryIO,
    log: BinaryIO,
    options: LaunchOptions,
) -> ServerProcess:
    """Start the server in `folder`, in a session of its own, so that Ctrl-C does not reach it.

    It inherits `lock` and writes to `log`. Raises ServerError when the program cannot be run.
    """
    settings = _server_settings(ports, options)
    container = engine = ""
    if isinstance(program, ContainerImage):
        settings |= container_settings()
        container, engine = container_name(folder), program.engine
        argv = run_arguments(program, folder, ports[:2], settings)
    else:
        argv = [str(program)]
    argv += ["--uri", make_peer_uri(ports) if options.in_cluster else PEER_URI]
    argv += ["--bootstrap", options.bootstrap] if options.bootstrap else []
    try:
        child = subprocess.Popen(  # noqa: S603
            argv,
            cwd=folder,
            env=_clean_environment() | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        raise ServerError(
            f"the qdrant program {argv[0]} cannot be run",
            why=str(error.strerror or error),
            hint="Is it built for this machine?",
        ) from None
    # It keeps running after this process exits, so this process does not wait for it.
    child.returncode = 0
    began = process_start_time(child.pid)
    return ServerProcess(child.pid, began, *ports, container=container, engine=engine)


def make_peer_uri(ports: Ports) -> str:
    """The URI of one of several servers for the others."""
    return f"http://{HOST}:{ports[2]}"


def _clean_environment() -> dict[str, str]:
    """The caller's environment, without the caller's Qdrant settings."""
    return {k: v for k, v in os.environ.items() if not k.upper().startswith("QDRANT")}


def _server_settings(ports: Ports, options: LaunchOptions) -> dict[str, str]:
    """The server's settings, as variables."""
    settings = {
        "QDRANT__SERVICE__HOST": HOST,
        "QDRANT__SERVICE__HTTP_PORT": str(ports[0]),
        "QDRANT__SERVICE__GRPC_PORT": str(ports[1]),
        "QDRANT__CLUSTER__ENABLED": "true",
        "QDRANT__CLUSTER__P2P__PORT": str(ports[2]),
        "QDRANT__STORAGE__STORAGE_PATH": "./storage",
        "QDRANT__STORAGE__SNAPSHOTS_PATH": "./snapshots",
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT__LOG_LEVEL": "WARN",  # at INFO every request is a line, and it may run for weeks
    }
    if options.access.api_key:
        settings["QDRANT__SERVICE__API_KEY"] = options.access.api_key
    if options.access.takes_tokens:
        settings["QDRANT__SERVICE__JWT_RBAC"] = "true"
    return settings


def process_start_time(pid: int) -> str:
    """The start time of a process in the system's format; empty if it does not exist."""
    with suppress(OSError):
        # Linux. The name in parentheses may contain any character; field 22 is the time.
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return line.rpartition(")")[2].split()[19]
    with suppress(OSError):
        argv = ["ps", "-o", "lstart=", "-p", str(pid)]
        plain = os.environ | {"LC_ALL": "C"}
        result = subprocess.run(argv, capture_output=True, text=True, check=False, env=plain)  # noqa: S603
        return result.stdout.strip()
    return ""


def find_file_users(file: Path) -> list[tuple[int, str]]:
    """Other processes that have a file open, with their names, as far as they are visible."""
    users = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's process, or one that has exited
            if process.name != str(os.getpid()) and _has_file_open(process, file):
                users[int(process.name)] = (process / "comm").read_text(errors="replace").strip()
    return sorted(users.items())


def _has_file_open(process: Path, file: Path) -> bool:
    for entry in (process / "fd").iterdir():
        with suppress(OSError):
            if entry.samefile(file):
                return True
    return False


def request_version(process: ServerProcess, folder: Path, api_key: str = "") -> str:
    """The server's version if it is ready for requests; empty if it is not (yet).

    The response must come from the peer whose storage is in `folder`: another server on the same
    port would respond as well. Writes fail until there is a leader.
    """
    connection = HttpConnection(process.url, api_key or None, ANSWER_SECONDS)
    try:
        cluster = _request_result(connection, "/cluster").get("result") or {}
        peer = json.loads((folder / "storage" / "raft_state.json").read_text()).get("this_peer_id")
        if cluster["peer_id"] != peer or cluster["raft_info"]["leader"] is None:
            return ""
        # Consensus can fail separately (a full disk): reads work, writes fail after ten seconds.
        if cluster["consensus_thread_status"]["consensus_thread_status"] != "working":
            return ""
        return str(_request_result(connection, "/")["version"])
    except (
        ResponseLost,
        ConnectionFailed,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ):
        return ""
    finally:
        connection.close()


def _request_result(connection: HttpConnection, path: str) -> dict[str, Json]:
    answer: dict[str, Json] = json.loads(connection.send("GET", path, b"", writes=False).body)
    return answer


def end_process(process: ServerProcess, has_ended: Callable[[], bool]) -> None:
    """End the server and wait until `has_ended` is true. The pid must be known to be the server's.

    Raises ServerError.
    """
    if process.container:
        # A signal to the engine's client may end it and leave the container.
        stop_container(process.engine, process.container)
        if poll(has_ended, timeout=KILL_SECONDS, interval=EXIT_POLL_SECONDS):
            return
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise ServerError(
                f"the embedded server (pid {process.pid}) belongs to another user"
            ) from None
        if poll(has_ended, timeout=seconds, interval=EXIT_POLL_SECONDS):
            return
    raise ServerError(f"the embedded server (pid {process.pid}) does not end")
