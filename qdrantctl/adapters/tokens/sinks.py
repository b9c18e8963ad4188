"""Sinks of tokens: files, and programs that read one from their standard input.

No message and no program argument contains a token: other users of the machine could see it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.adapters.files.home import expand_path
from qdrantctl.adapters.system.commands import run_command
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.field_rule import Json

_PRIVATE = 0o600
_ENTRY = re.compile(
    rb"^(?P<head>(?:\xef\xbb\xbf)?[ \t]*(?:export[ \t]+)?(?P<name>[^\s=#'\"]+)[ \t]*=)"
    rb"[ \t]*(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|[^\n]*?)"
    rb"(?P<tail>[ \t]*(?:[ \t]#[^\n]*?)?)(?=\r?\n|\r?\Z)",
    re.MULTILINE | re.DOTALL,
)
"""A variable of a dotenv file. A quoted value may contain lines that look like other variables."""


def write_to_sink(
    token: str, sink: Mapping[str, Json], root: Path, environ: Mapping[str, str]
) -> str:
    """Write a token to a sink of a manifest; the place written to. Raises SettingsError."""
    if "file" in sink:
        return _write_private_file(root, sink["file"], f"{token}\n".encode())
    if "dotenv" in sink:
        entry = sink["dotenv"]
        content = _read_sink_file(_sink_path(root, entry["path"]), entry["path"])
        content = _set_variable(content, entry["name"].encode(), token.encode())
        return f"{entry['name']} in {_write_private_file(root, entry['path'], content)}"
    if "kubernetes_secret" in sink:
        entry = sink["kubernetes_secret"]
        return _write_private_file(root, entry["path"], _render_secret(entry, token).encode())
    return _run_sink_command(token, sink["command"], root, environ)


def _sink_path(root: Path, shown: str) -> Path:
    """The path of a file in a manifest, which may begin with `~`."""
    return expand_path(root, shown, "a sink of the access key")


def _write_private_file(root: Path, shown: str, content: bytes) -> str:
    """Write a file that only its owner can read."""
    path = _sink_path(root, shown)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, mode=_PRIVATE)
    except OSError as error:
        raise SettingsError(
            f"the token could not be written to {shown}: {error.strerror}",
            hint="Correct this, and run `qdrantctl keys issue`: it issues the same token again.",
        ) from None
    return shown


def _read_sink_file(path: Path, shown: str) -> bytes:
    """The content of a dotenv file; empty for a missing file, a pipe or a device."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        raise SettingsError(
            f"{shown} cannot be read, so no line of it can be replaced",
            hint="It must be a file that you can read.",
        ) from None


def _set_variable(content: bytes, name: bytes, value: bytes) -> bytes:
    """The file with the variable's values replaced, or with the variable appended."""
    count = 0

    def replaced(entry: re.Match[bytes]) -> bytes:
        nonlocal count
        if entry["name"] != name:
            return entry[0]
        count += 1
        return entry["head"] + value + entry["tail"]

    result = _ENTRY.sub(replaced, content)
    if count:
        return result
    line_end = b"\r\n" if b"\r\n" in content else b"\n"
    between = line_end if content and not content.endswith(b"\n") else b""
    return content + between + name + b"=" + value + line_end


def _render_secret(entry: Mapping[str, Json], token: str) -> str:
    """The manifest of a Secret; every JSON scalar is also a YAML scalar."""
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


def _run_sink_command(token: str, argv: list[str], root: Path, environ: Mapping[str, str]) -> str:
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
        # Its output is not quoted: the command received the token and may repeat it.
        raise SettingsError(
            f"{name} failed with exit code {output.exit_code}",
            hint="Run it manually to see why; then `qdrantctl keys issue` delivers the same token.",
        )
    return name
