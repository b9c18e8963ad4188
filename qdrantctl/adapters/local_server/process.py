"""The embedded server's process: its ports, its environment, whether it answers, and its end."""

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

from qdrantctl.adapters.qdrant.http import ConnectionFailed, HttpConnection, ResponseLost
from qdrantctl.model.errors import ServerError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll

HOST = "127.0.0.1"
PEER_URI = f"http://{HOST}:1"
"""What a node is called among its peers. Qdrant keeps it in its storage, and refuses to start when
it is called something else the next time. A single node is never called, so the name is a constant
that no process listens on, and the port for peers may be another at each start."""
ANSWER_SECONDS = 2.0
TERM_SECONDS, KILL_SECONDS = 20.0, 5.0
EXIT_POLL_SECONDS = 0.03

Ports = tuple[int, int, int]
"""REST, gRPC, peers."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that was started; what `server.json` holds."""

    pid: int
    """Also the id of its process group."""
    began: str
    """When, in the system's own words; a recycled pid began at another time."""
    http_port: int
    grpc_port: int
    p2p_port: int
    version: str = ""

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
    """How a server is started; as it stands here it is a project's own, alone and open."""

    api_key: str = field(default="", repr=False)
    several: bool = False
    """Whether it is one of several that know each other by their ports."""
    bootstrap: str = ""
    """The peer that it joins; empty for the first."""


def find_free_ports(wished: Ports) -> Ports:
    """Three free ports on loopback: the requested ones if free; 0 is any."""
    with ExitStack() as held:
        http, grpc, p2p = (_find_free_port(held, port) for port in wished)
    return http, grpc, p2p


def _find_free_port(held: ExitStack, wished: int) -> int:
    for port in (wished, 0):
        probe = held.enter_context(socket.socket())
        if port:
            # What the last server's connections left in TIME_WAIT does not count as used.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, OverflowError):
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise ServerError(f"there is no free port on {HOST}")


def launch_server(
    program: Path, folder: Path, ports: Ports, lock: BinaryIO, log: BinaryIO, manner: LaunchOptions
) -> ServerProcess:
    """Start the server in `folder`, in a session of its own, so that Ctrl-C does not reach it.

    It inherits `lock` and writes to `log`. Raises ServerError when the program cannot be run.
    """
    words = [str(program), "--uri", make_peer_uri(ports) if manner.several else PEER_URI]
    words += ["--bootstrap", manner.bootstrap] if manner.bootstrap else []
    try:
        child = subprocess.Popen(  # noqa: S603
            words,
            cwd=folder,
            env=_server_environment(ports, manner),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        raise ServerError(
            f"the qdrant program {program} cannot be run",
            why=str(error.strerror or error),
            hint="Is it made for this machine?",
        ) from None
    # It outlives this process; this process does not wait for it.
    child.returncode = 0
    return ServerProcess(child.pid, process_start_time(child.pid), *ports)


def make_peer_uri(ports: Ports) -> str:
    """Where one of several is called by the others."""
    return f"http://{HOST}:{ports[2]}"


def _server_environment(ports: Ports, manner: LaunchOptions) -> dict[str, str]:
    """The caller's environment, with our settings of Qdrant in place of the caller's."""
    inherited = {k: v for k, v in os.environ.items() if not k.upper().startswith("QDRANT")}
    ours = {
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
    if manner.api_key:
        ours["QDRANT__SERVICE__API_KEY"] = manner.api_key
    return inherited | ours


def process_start_time(pid: int) -> str:
    """When the process began, in the system's own words; empty when there is no such process."""
    with suppress(OSError):
        # Linux. The name in parentheses may hold anything; field 22 of the whole is the time.
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return line.rpartition(")")[2].split()[19]
    with suppress(OSError):
        words = ["ps", "-o", "lstart=", "-p", str(pid)]
        plain = os.environ | {"LC_ALL": "C"}
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=plain)  # noqa: S603
        return done.stdout.strip()
    return ""


def find_file_users(file: Path) -> list[tuple[int, str]]:
    """Other processes that hold a file open, with their names, as far as the system tells."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be another user's, or gone
            if process.name != str(os.getpid()) and _has_file_open(process, file):
                found[int(process.name)] = (process / "comm").read_text(errors="replace").strip()
    return sorted(found.items())


def _has_file_open(process: Path, file: Path) -> bool:
    for entry in (process / "fd").iterdir():
        with suppress(OSError):
            if entry.samefile(file):
                return True
    return False


def request_version(process: ServerProcess, folder: Path, api_key: str = "") -> str:
    """The server's version when it takes requests; empty when it does not (yet).

    Who answers must be the peer whose storage is in `folder`: a stranger that took the port would
    answer as well. Writes fail until there is a leader.
    """
    wire = HttpConnection(process.url, api_key or None, ANSWER_SECONDS)
    try:
        cluster = _request_result(wire, "/cluster").get("result") or {}
        peer = json.loads((folder / "storage" / "raft_state.json").read_text()).get("this_peer_id")
        if cluster["peer_id"] != peer or cluster["raft_info"]["leader"] is None:
            return ""
        # It can die alone (a full disk): reads go on, and each write fails after ten seconds.
        if cluster["consensus_thread_status"]["consensus_thread_status"] != "working":
            return ""
        return str(_request_result(wire, "/")["version"])
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
        wire.close()


def _request_result(wire: HttpConnection, path: str) -> dict[str, Json]:
    answer: dict[str, Json] = json.loads(wire.send("GET", path, b"", writes=False).body)
    return answer


def end_process(process: ServerProcess, gone: Callable[[], bool]) -> None:
    """End the server and wait until it is `gone`. The caller knows that the pid is the server's.

    Raises ServerError.
    """
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise ServerError(
                f"the embedded server (pid {process.pid}) is another user's"
            ) from None
        if poll(gone, timeout=seconds, interval=EXIT_POLL_SECONDS):
            return
    raise ServerError(f"the embedded server (pid {process.pid}) does not end")
