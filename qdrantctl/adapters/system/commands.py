"""Runs programs that a project file or a manifest names: bounded in time and output, no shell."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qdrantctl.model.errors import SettingsError
from qdrantctl.model.frozen import frozen

if TYPE_CHECKING:
    import subprocess

COMMAND_SECONDS = 60.0
"""How long a command may take; some wait for a hardware key to be touched."""
MAX_OUTPUT = 16_384
"""Bytes of each output that are kept: longer than any key or token."""
NO_COMMANDS = "QDRANTCTL_NO_COMMANDS"
"""The variable that forbids commands."""


@frozen
class CommandOutput:
    """The result of a command. Both outputs are cut one byte above MAX_OUTPUT."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def run_command(
    argv: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    *,
    name: str,
    why: str = "",
    instead: str,
    stdin: bytes = b"",
    seconds: float | None = None,
) -> CommandOutput:
    """Run `argv` in `folder` and wait for its end.

    `name` names it in errors, `why` states where it is defined, and `instead` is the hint if
    commands are forbidden. It may take `seconds`, or COMMAND_SECONDS. `stdin` must fit into a pipe
    (64 KiB). Raises SettingsError if it is forbidden, cannot be started or does not exit in time; a
    failure is an exit code.
    """
    import subprocess

    refuse_if_forbidden(environ, name, why=why, instead=instead)
    allowed = COMMAND_SECONDS if seconds is None else seconds
    try:
        process = subprocess.Popen(  # noqa: S603
            argv,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise cannot_start(error, name, why=why) from None
    try:
        if process.stdin:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin)
        out, err = _read_outputs(process, allowed)
    except TimeoutError:
        raise SettingsError(
            f"{name} did not end within {allowed:g} seconds",
            why=why,
            hint="" if stdin else "It gets no input; a command that prompts cannot be used.",
        ) from None
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    return CommandOutput(process.returncode, out, err)


def refuse_if_forbidden(
    environ: Mapping[str, str], name: str, *, why: str = "", instead: str
) -> None:
    """Raises SettingsError if the environment forbids commands."""
    if environ.get(NO_COMMANDS, "") not in ("", "0"):
        raise SettingsError(f"{name} was not run: {NO_COMMANDS} is set", why=why, hint=instead)


def cannot_start(error: OSError | ValueError, name: str, *, why: str = "") -> SettingsError:
    """The error to raise for a program that the system does not start."""
    reason = "an argument contains a null character"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
    return SettingsError(f"{name} cannot be started: {reason}", why=why)


def _read_outputs(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bytes]:
    """Its stdout and stderr, read until it exits. Raises TimeoutError."""
    import selectors
    import subprocess

    deadline = time.monotonic() + seconds
    outputs: dict[IO[bytes], bytes] = {}
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            outputs[pipe] = b""
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                pipe = next(pipe for pipe in outputs if pipe is key.fileobj)
                chunk = os.read(key.fd, MAX_OUTPUT)
                if not chunk:
                    selector.unregister(pipe)
                outputs[pipe] = (outputs[pipe] + chunk)[: MAX_OUTPUT + 1]
            if time.monotonic() >= deadline:
                raise TimeoutError
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    out, err = outputs.values()
    return out, err
