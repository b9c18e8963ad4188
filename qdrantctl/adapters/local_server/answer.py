"""Runs a program for what it prints."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

QUOTED_CHARACTERS = 300


def run_program(argv: Sequence[str], seconds: float) -> tuple[bool, list[str]]:
    """Whether it succeeded, and its lines: of stdout then, else of stderr, or why there are none.

    There is always at least one line of failure, short enough to be quoted.
    """
    try:
        result = subprocess.run(  # noqa: S603
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, [f"nothing within {seconds:g} seconds"]
    except OSError as error:
        return False, [str(error.strerror or error)]
    succeeded = result.returncode == 0
    output = result.stdout if succeeded else result.stderr or result.stdout
    lines = [line.strip()[:QUOTED_CHARACTERS] for line in output.splitlines() if line.strip()]
    return succeeded, lines or ([] if succeeded else [f"exit code {result.returncode}"])
