"""Fetches a key from its source in the project file. No message ever contains the key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qdrantctl.adapters.files.home import expand_path
from qdrantctl.adapters.files.read import read_regular_file
from qdrantctl.adapters.system.commands import MAX_OUTPUT, run_command
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.key_source import KeySource

API_KEY = "API key"


def describe_source(source: KeySource) -> str:
    """A description of a key's source, without a command's arguments: they may hold a secret."""
    if source.env is not None:
        return f"the environment variable {source.env}"
    if source.file is not None:
        return f"the file {source.file}"
    return "the command " + repr(next(iter(source.command or ())))


def fetch_key(
    source: KeySource, folder: Path, environ: Mapping[str, str], place: str, what: str = API_KEY
) -> str:
    """The key, valid for a header. `file` and `command` are relative to `folder`.

    `place` (`qdrantctl.yaml:12`) and `what` (the kind of key) are named in errors. Raises
    SettingsError.
    """
    if source.env is not None:
        return read_variable(source.env, environ, place, what)
    if source.file is not None:
        return _read_key_file(expand_path(folder, source.file, place), source.file, place, what)
    return _run_key_command(source.command or [], folder, environ, place, what)


def read_variable(name: str, environ: Mapping[str, str], place: str, what: str = API_KEY) -> str:
    """The key in an environment variable. Raises SettingsError."""
    if name not in environ:
        raise SettingsError(
            f"the environment variable {name} is not set",
            why=f"The {what} is read from it ({place}).",
            hint=f"Set {name} where qdrantctl runs.",
        )
    return _check_key(environ[name], f"the environment variable {name}", place, what)


def _read_key_file(path: Path, shown: str, place: str, what: str) -> str:
    try:
        content = read_regular_file(path, MAX_OUTPUT)
    except OSError as error:
        raise SettingsError(
            f"the {what}'s file {shown} cannot be read: {error.strerror}",
            why=f"It is named in {place}.",
            hint="Relative paths start at the folder of the file that states them.",
        ) from None
    text = "x" * (MAX_OUTPUT + 1) if content is None else _decode_output(content)
    return _check_key(text, f"the file {shown}", place, what)


def _run_key_command(
    argv: list[str], folder: Path, environ: Mapping[str, str], place: str, what: str
) -> str:
    name = f"the {what}'s command {argv[0]!r}"
    output = run_command(
        argv,
        folder,
        environ,
        name=name,
        why=f"It is defined in {place}.",
        instead="State the key as {env: NAME} or {file: path} where commands are not allowed.",
    )
    stdout, stderr = _decode_output(output.stdout), _decode_output(output.stderr)
    if output.exit_code:
        raise SettingsError(
            f"{name} failed with exit code {output.exit_code}",
            why=_last_error_line(stderr, stdout) or f"It is defined in {place}.",
            hint="Run it manually to see what it needs.",
        )
    return _check_key(stdout, f"the output of {argv[0]!r}", place, what)


def _last_error_line(stderr: str, stdout: str) -> str:
    """The last line of stderr; empty if it may contain words of stdout, which may be the key."""
    line = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    if any(word in stderr for word in stdout.split()):
        return ""
    return "".join(c for c in line if c.isprintable()).strip()[:200]


def _decode_output(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def _check_key(text: str, source: str, place: str, what: str) -> str:
    """The key without its line end. Raises SettingsError for text that a header cannot contain."""
    key = text.removesuffix("\n").removesuffix("\r")
    why = ""
    if not key:
        why = "is empty"
    elif len(key) > MAX_OUTPUT:
        why = f"is longer than {MAX_OUTPUT:,} characters"
    elif "\n" in key or "\r" in key:
        why = "holds more than one line"
    elif key != key.strip():
        why = "begins or ends with a blank"
    elif not (key.isascii() and key.isprintable()):
        why = "holds characters that a header cannot contain"
    if why:
        raise SettingsError(
            f"the {what} cannot be used: {source} {why}",
            why=f"It is named in {place}.",
            hint="It must hold the key and nothing else.",
        )
    return key
