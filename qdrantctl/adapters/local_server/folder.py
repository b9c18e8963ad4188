"""The contents of `.qdrantctl/`: two locks, a note about the server's process, and its log."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.adapters.local_server.process import (
    ServerProcess,
    find_file_users,
    process_start_time,
)
from qdrantctl.model.errors import ServerError
from qdrantctl.model.polling import poll

SERVER_FOLDER = ".qdrantctl"
LOG = "log"
NOTE = "server.json"
STARTING = "start.lock"
"""Held by a command while it starts or stops the server."""
SERVING = "server.lock"
"""Held by the server as long as it runs."""
USING = "using.lock"
"""Held by the process that uses a scratch folder."""
UNKNOWN_SECONDS = 2.0
COMMAND_SECONDS = 900.0
"""Seconds within which another command ends: it may fetch the program first."""
"""How long the server's lock may be held without a matching note: by a start between its two steps,
or by a command that checks whether the lock is held."""
LOCK_POLL_SECONDS = 0.03
QUOTED_BYTES = 4000
QUOTED_LINES = 3


def server_folder(root: Path) -> Path:
    """The embedded server's folder for a project in `root`, absolute."""
    return root.absolute() / SERVER_FOLDER


def prepare_folder(folder: Path) -> None:
    """Create the folder; git ignores its contents. Raises ServerError."""
    ignore = folder / ".gitignore"
    with _report_unusable(folder):
        folder.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n")


def make_private_folder(above: Path) -> Path:
    """A new folder below `above` that only its owner can read. Raises ServerError."""
    with _report_unusable(above):
        above.mkdir(exist_ok=True)
        return Path(mkdtemp(dir=above))


@contextmanager
def _report_unusable(folder: Path) -> Iterator[None]:
    """Raise ServerError if the folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise ServerError(
            f"the embedded server's folder {folder} cannot be used",
            why=str(error.strerror or error),
            hint="It must be a folder that you may write to.",
        ) from None


@contextmanager
def lock_commands(
    folder: Path, report_progress: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Let one command at a time start or stop the server; others wait. Raises ServerError."""
    with _report_unusable(folder):
        lock = (folder / STARTING).open("ab")
    with lock:
        lock_it = partial(_try_lock, folder, lock, fcntl.LOCK_EX)
        if not lock_it():
            report_progress("waiting for another command that starts or stops Qdrant")
            if not poll(lock_it, timeout=COMMAND_SECONDS, interval=LOCK_POLL_SECONDS):
                raise ServerError(
                    f"another command has been starting or stopping the server of {folder} for "
                    f"{COMMAND_SECONDS:g} seconds",
                    hint="See which qdrantctl runs in this project, and end it.",
                )
        yield


@contextmanager
def open_server_lock(folder: Path) -> Iterator[BinaryIO]:
    """The server's lock, open for the server to inherit. Raises ServerError.

    Closing it here does not release it as long as a process that inherited it runs.
    """
    with _report_unusable(folder):
        lock = (folder / SERVING).open("ab")
    with lock:
        lock_it = partial(_try_lock, folder, lock, fcntl.LOCK_EX)
        if not poll(lock_it, timeout=UNKNOWN_SECONDS, interval=LOCK_POLL_SECONDS):
            raise _unknown_process_error(folder)
        yield lock


@contextmanager
def hold_folder(folder: Path) -> Iterator[bool]:
    """Lock a folder while this process uses it; false if another one does. Raises ServerError.

    The servers in it do not inherit the lock, so it is released when that process exits.
    """
    with _report_unusable(folder):
        lock = (folder / USING).open("ab")
    with lock:
        yield _try_lock(folder, lock, fcntl.LOCK_EX)


def is_server_locked(folder: Path) -> bool:
    """Whether a process holds the server's lock. Raises ServerError."""
    with _report_unusable(folder):
        try:
            lock = (folder / SERVING).open("rb")
        except FileNotFoundError:
            return False
    with lock:
        return not _try_lock(folder, lock, fcntl.LOCK_SH)


def _try_lock(folder: Path, lock: BinaryIO, how: int) -> bool:
    with _report_unusable(folder):
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def find_running_process(folder: Path) -> ServerProcess | None:
    """The server that holds the lock; None if it is free.

    Raises ServerError for a process that the note does not name.
    """
    deadline = time.monotonic() + UNKNOWN_SECONDS
    while is_server_locked(folder):
        process = read_note(folder)
        # A note alone does not identify a process: it may come from a restored copy.
        if process and process.began and process.began == process_start_time(process.pid):
            return process
        if time.monotonic() > deadline:
            raise _unknown_process_error(folder)
        time.sleep(LOCK_POLL_SECONDS)
    return None


def _unknown_process_error(folder: Path) -> ServerError:
    users = [
        f"{pid} ({name})" if name else str(pid) for pid, name in find_file_users(folder / SERVING)
    ]
    hint = "Does a server run there in a container, or was the file deleted? End that server."
    if users:
        holder = f"the process {users[0]}" if len(users) == 1 else f"one of {', '.join(users)}"
        hint = f"It is {holder}. End it with kill, and run the command again; the data is kept."
    return ServerError(f"{folder} is used by a process that its {NOTE} does not name", hint=hint)


def read_note(folder: Path) -> ServerProcess | None:
    """The note about the last started server, whether it runs or not."""
    try:
        process = ServerProcess(**json.loads((folder / NOTE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    numbers = (process.pid, *process.ports)
    return process if all(isinstance(number, int) for number in numbers) else None


def write_note(folder: Path, process: ServerProcess) -> None:
    """Write the note atomically. Raises ServerError."""
    text = json.dumps(dataclasses.asdict(process), indent=2) + "\n"
    with _report_unusable(folder):
        replace_file(folder / NOTE, text.encode())


@contextmanager
def clear_log(folder: Path) -> Iterator[BinaryIO]:
    """An empty log, so that it covers only one start. Raises ServerError."""
    with _report_unusable(folder):
        log = (folder / LOG).open("wb")
    with log:
        yield log


def port_was_taken(folder: Path) -> bool:
    """Whether the log reports that another process used one of the ports."""
    log = _read_log_end(folder)
    return "Address already in use" in log or "Error while starting" in log


def read_log_errors(folder: Path) -> str:
    """The last lines of the log, without stack traces."""
    lines = [line for line in _read_log_end(folder).splitlines() if line and not line[0].isspace()]
    return "\n  ".join(lines[-QUOTED_LINES:]) or "Its log is empty."


def _read_log_end(folder: Path) -> str:
    try:
        with (folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - QUOTED_BYTES))
            return log.read().decode(errors="replace")
    except OSError:
        return ""
