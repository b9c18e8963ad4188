"""Where tokens go: files, and programs that take one on their standard input.

A token is in no message, and in no argument of a program, where other users of the machine see it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.files.home import expand_path
from qdrantctl.adapters.system.commands import run_command
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.field_rule import Json


def put(token: str, sink: Mapping[str, Json], root: Path, environ: Mapping[str, str]) -> str:
    """Put a token where a manifest says, and say where that was. Raises SettingsError."""
    if "file" in sink:
        return _write(root, sink["file"], token + "\n")
    if "dotenv" in sink:
        entry = sink["dotenv"]
        text = _with_line(_there(_path(root, entry["path"]), entry["path"]), entry["name"], token)
        return f"{entry['name']} in {_write(root, entry['path'], text)}"
    if "kubernetes_secret" in sink:
        entry = sink["kubernetes_secret"]
        return _write(root, entry["path"], _secret(entry, token))
    return _run(token, sink["command"], root, environ)


def _path(root: Path, shown: str) -> Path:
    """A file as a manifest calls it, which may begin with `~`."""
    return expand_path(root, shown, "a sink of the access key")


def _write(root: Path, shown: str, text: str) -> str:
    """A file that only its owner can read, put in place in one step."""
    path, temporary = _path(root, shown), ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        raise SettingsError(
            f"the token could not be written to {shown}: {error.strerror}",
            hint="Correct that, and run `qdrantctl keys issue`: it gives the same token again.",
        ) from None
    return shown


def _there(path: Path, shown: str) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"{shown} cannot be read, so no line of it can be replaced",
            hint="It must be a text file that you may read.",
        ) from None


def _with_line(text: str, name: str, token: str) -> str:
    """The file with one line for the variable, in the place of the first that there was."""
    lines, placed = [], False
    for line in text.splitlines():
        if line.removeprefix("export ").partition("=")[0].strip() != name:
            lines.append(line)
        elif not placed:
            lines.append(f"{line.partition('=')[0].rstrip()}={token}")
            placed = True
    return "\n".join([*lines, *([] if placed else [f"{name}={token}"])]) + "\n"


def _secret(entry: Mapping[str, Json], token: str) -> str:
    """The manifest; every JSON scalar is one of YAML."""
    space = [f"  namespace: {json.dumps(entry['namespace'])}"] if entry.get("namespace") else []
    lines = [
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {json.dumps(entry['name'])}",
        *space,
        "type: Opaque",
        "stringData:",
        f"  {json.dumps(entry['key'])}: {json.dumps(token)}",
    ]
    return "\n".join(lines) + "\n"


def _run(token: str, argv: list[str], root: Path, environ: Mapping[str, str]) -> str:
    name = f"the command {argv[0]!r}"
    output = run_command(
        argv,
        root,
        environ,
        name=name,
        instead="Use a sink that is a file where commands are not allowed.",
        stdin=token.encode(),
    )
    if output.exit_code:
        # Its output is not quoted: it was given the token, and may repeat it in any form.
        raise SettingsError(
            f"{name} failed with exit code {output.exit_code}",
            hint="Run it by hand to see why; then `qdrantctl keys issue` gives the same token.",
        )
    return name
