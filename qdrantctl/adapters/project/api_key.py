"""Fetches an API key from where the project file says it is. The key is in no message, ever."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from qdrantctl.adapters.manifests.sources import read_bytes
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.project import KeySource

COMMAND_SECONDS = 60.0
"""How long a `command` may take; some wait for a person's finger."""
MAX_BYTES = 16_384
"""Longer than any key or token; more is not read."""
NO_COMMANDS = "QDRANTCTL_NO_COMMANDS"


def said(source: KeySource) -> str:
    """Where a key is found, in words. What a command is given may hold a secret."""
    if source.env is not None:
        return f"the environment variable {source.env}"
    if source.file is not None:
        return f"the file {source.file}"
    return "the command " + repr(next(iter(source.command or ())))


def fetch(source: KeySource, folder: Path, environ: Mapping[str, str], place: str) -> str:
    """The key, fit for a header. `file` and `command` start from `folder`.

    `place` (`qdrantctl.yaml:12`) is where messages point. Raises SettingsError.
    """
    if source.env is not None:
        return from_variable(source.env, environ, place)
    if source.file is not None:
        return _from_file(folder / Path(source.file).expanduser(), source.file, place)
    return _from_command(source.command or [], folder, environ, place)


def from_variable(name: str, environ: Mapping[str, str], place: str) -> str:
    """The key that stands in an environment variable."""
    if name not in environ:
        raise SettingsError(
            f"the environment variable {name} is not set",
            why=f"The API key is to be found there ({place}).",
            hint=f"Set {name} where qdrantctl runs.",
        )
    return _checked(environ[name], f"the environment variable {name}", place)


def _from_file(path: Path, shown: str, place: str) -> str:
    try:
        content = read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise SettingsError(
            f"the API key's file {shown} cannot be read: {error.strerror}",
            why=f"It is named in {place}.",
            hint="Relative paths start at the folder of the file that states them.",
        ) from None
    text = "x" * (MAX_BYTES + 1) if content is None else _decoded(content)
    return _checked(text, f"the file {shown}", place)


def _from_command(argv: list[str], folder: Path, environ: Mapping[str, str], place: str) -> str:
    said = f"the API key's command {argv[0]!r}"
    if environ.get(NO_COMMANDS, "") not in ("", "0"):
        raise SettingsError(
            f"{said} was not run: {NO_COMMANDS} is set",
            why=f"The command stands in {place}.",
            hint="Give the key by {env: NAME} or {file: path} where commands are not allowed.",
        )
    try:
        process = subprocess.Popen(  # noqa: S603
            argv,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its words hold a null character"
        raise SettingsError(f"{said} cannot be started: {why}", why=f"See {place}.") from None
    try:
        out, told = _read(process, said, place)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    if process.returncode:
        raise SettingsError(
            f"{said} failed with exit code {process.returncode}",
            why=_last_words(_decoded(told), _decoded(out)) or f"See {place}.",
            hint="Run it by hand to see what it needs.",
        )
    return _checked(_decoded(out), f"the output of {argv[0]!r}", place)


def _read(process: subprocess.Popen[bytes], said: str, place: str) -> tuple[bytes, bytes]:
    """What it wrote to stdout and stderr, bounded in time and size, and its exit waited for."""
    deadline = time.monotonic() + COMMAND_SECONDS
    found: dict[IO[bytes], bytes] = {}
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            found[pipe] = b""
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                pipe = next(pipe for pipe in found if pipe is key.fileobj)
                chunk = os.read(key.fd, MAX_BYTES)
                if not chunk:
                    selector.unregister(pipe)
                found[pipe] = (found[pipe] + chunk)[: MAX_BYTES + 1]
            if time.monotonic() >= deadline:
                raise _slow(said, place)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _slow(said, place) from None
    out, told = found.values()
    return out, told


def _slow(said: str, place: str) -> SettingsError:
    return SettingsError(
        f"{said} did not end within {COMMAND_SECONDS:g} seconds",
        why=f"See {place}.",
        hint="It gets no input; a command that asks questions cannot be used here.",
    )


def _last_words(told: str, out: str) -> str:
    """The last line of stderr, unless it may hold what stdout said."""
    line = next((line for line in reversed(told.splitlines()) if line.strip()), "")
    if any(word in told for word in out.split()):
        return ""
    return "".join(c for c in line if c.isprintable()).strip()[:200]


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def _checked(text: str, source: str, place: str) -> str:
    """The key without one line ending. Refuses what cannot be sent as a header."""
    key = text.removesuffix("\n").removesuffix("\r")
    why = ""
    if not key:
        why = "is empty"
    elif len(key) > MAX_BYTES:
        why = f"is longer than {MAX_BYTES:,} characters"
    elif "\n" in key or "\r" in key:
        why = "holds more than one line"
    elif key != key.strip():
        why = "begins or ends with a blank"
    elif not (key.isascii() and key.isprintable()):
        why = "holds characters that cannot stand in a header"
    if why:
        raise SettingsError(
            f"the API key cannot be used: {source} {why}",
            why=f"It is named in {place}.",
            hint="It must hold the key and nothing else.",
        )
    return key
