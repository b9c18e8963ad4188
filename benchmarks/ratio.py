"""Measure two commands in turn, repeatedly, and compare them by the median of their ratios."""

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
IMPORT = [PYTHON, "-c", "import pydantic; pydantic.BaseModel"]
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

    task: str
    measured: str
    baseline: str
    ratio: str
    bound: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Duration:
    """The time of one run of a command."""

    wall: float
    cpu: float
    """Seconds of processor time, including system time."""


def run(
    command: Command,
    folder: Path,
    *,
    codes: tuple[int, ...] = (0,),
    environ: Mapping[str, str] | None = None,
) -> Duration:
    """Run a command to its end. Raises RuntimeError if it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = ENVIRON | dict(environ or {})
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode not in codes:
        raise RuntimeError(
            f"{' '.join(command)[:200]}: {result.returncode}\n{result.stderr[-2000:]}"
        )
    return Duration(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def compare(
    task: str,
    bound: float,
    measured: Callable[[], Duration],
    baseline: Callable[[], Duration],
    repeats: int,
    *,
    warm: bool = True,
) -> Row:
    """A row: the median of the ratios of pairs, each side going first in every other pair."""
    if warm:
        measured(), baseline()
    pairs: list[tuple[float, float]] = []
    for number in range(repeats):
        if number % 2:
            baseline_wall = baseline().wall
            pairs.append((measured().wall, baseline_wall))
        else:
            wall = measured().wall
            pairs.append((wall, baseline().wall))
    ratio = statistics.median(wall / baseline_wall for wall, baseline_wall in pairs)
    wall, baseline_wall = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(
        task, seconds(wall), seconds(baseline_wall), f"{ratio:.2f}", f"{bound:g} x", ratio <= bound
    )


def seconds(value: float) -> str:
    return f"{value:.2f} s"
