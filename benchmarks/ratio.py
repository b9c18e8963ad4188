"""Measuring: two commands in turn, again and again, and the median of how they compare."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
QDRANTCTL = str(Path(sys.executable).parent / "qdrantctl")
COMPILED = tempfile.TemporaryDirectory(prefix="qdrantctl-bench-pyc-")
ENVIRON = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "QDRANT"))} | {
    "PYTHONPYCACHEPREFIX": COMPILED.name,
    "NO_COLOR": "1",
}
"""Modules are compiled once, as they are where qdrantctl is installed."""

Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    baseline: str
    ratio: str
    bound: str
    held: bool


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a command took."""

    wall: float
    cpu: float
    """Seconds of processor time, the system's share included."""


def run(
    command: Command,
    folder: Path,
    *,
    codes: tuple[int, ...] = (0,),
    environ: Mapping[str, str] | None = None,
) -> Took:
    """Run a command to its end. Raises where it fails: nothing half done is measured."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = ENVIRON | dict(environ or {})
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(command)[:200]}: {done.returncode}\n{done.stderr[-2000:]}")
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def compare(
    what: str,
    bound: float,
    ours: Callable[[], Took],
    baseline: Callable[[], Took],
    repeats: int,
    *,
    warm: bool = True,
) -> Row:
    """A row: the median of the ratios of pairs, each side going first in every other pair."""
    if warm:
        ours(), baseline()
    pairs: list[tuple[float, float]] = []
    for number in range(repeats):
        if number % 2:
            second = baseline().wall
            pairs.append((ours().wall, second))
        else:
            first = ours().wall
            pairs.append((first, baseline().wall))
    ratio = statistics.median(mine / other for mine, other in pairs)
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(what, seconds(mine), seconds(other), f"{ratio:.2f}", f"{bound:g} x", ratio <= bound)


def seconds(value: float) -> str:
    return f"{value:.2f} s"
