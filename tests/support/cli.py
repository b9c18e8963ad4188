"""The one way in which tests run a command: in this process, with what it printed and its code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from qdrantctl.cli.main import run


class CommandResult(NamedTuple):
    """What a command answered: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def rules(self) -> set[str]:
        return {violation["rule"] for violation in self.document["violations"]}

    def change(self, address: str) -> dict[str, Any]:
        return next(c for c in self.document["changes"] if c["address"] == address)

    def field(self, address: str, *path: str | int) -> dict[str, Any]:
        fields = self.change(address)["fields"]
        return next(f for f in fields if f["path"] == list(path))

    def message(self, rule: str) -> str:
        return next(v["message"] for v in self.document["violations"] if v["rule"] == rule)


def run_cli(
    *words: str | Path,
    project: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> CommandResult:
    """Run one command line in this process.

    `project` is passed on with `-C`; `env` is added to the environment. What the command prints
    also goes to this process's own streams, so that a test that fails shows it.
    """
    line = [str(word) for word in words]
    if project is not None:
        line += ["-C", str(project)]
    out, err = _stream(), _stream()
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, env or {}))
        if cwd is not None:
            stack.enter_context(chdir(cwd))
        if stdin is not None:
            stack.enter_context(patch("sys.stdin", _stream(stdin)))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = run(line)
    result = CommandResult(code, _text(out), _text(err))
    sys.stdout.write(result.out)
    sys.stderr.write(result.err)
    assert "Traceback (most recent call last)" not in result.err
    return result


def _stream(text: str = "") -> TextIOWrapper:
    return TextIOWrapper(BytesIO(text.encode()), encoding="utf-8", newline="")


def _text(stream: TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
