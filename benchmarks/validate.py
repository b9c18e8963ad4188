"""10,000 resources offline: `validate` and `plan --offline`, their memory and growth."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratio import IMPORT, PYTHON, QDRANTCTL, Row, compare, run
from benchmarks.workload import project

COUNT, FEW = 10_000, 1_000
IMPORTS = 36.7
"""4 s where importing pydantic takes 0.109 s: machines differ, the ratio does not."""
MEMORY = 250
LINEAR = 1.2 * COUNT / FEW
"""A fifth above proportional: start-up is in both."""
COMMANDS = (("validate",), ("plan", "--offline"))
LOADER = """
from pathlib import Path
from ruamel.yaml.cyaml import CSafeLoader
for path in sorted(Path("manifests").iterdir()):
    CSafeLoader(path.read_bytes()).get_single_data()
"""
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak // (1024 * 1024 if sys.platform == "darwin" else 1024), file=open("peak", "w"))
"""
"""A separate process, since the peak of children covers all children that a process ever had."""


def rows(folder: Path) -> Iterator[Row]:
    project_folder = project(folder / "validate", COUNT, "http://127.0.0.1:1")
    yield compare(
        f"`validate` of {COUNT:,} manifests / ruamel's C loader alone",
        3,
        lambda: run([QDRANTCTL, "validate"], project_folder),
        lambda: run([PYTHON, "-c", LOADER], project_folder),
        repeats=3,
    )
    few = project(folder / "few", FEW, "http://127.0.0.1:1")
    for words in COMMANDS:
        yield from _offline_rows(words, project_folder, few)


def _offline_rows(words: tuple[str, ...], many: Path, few: Path) -> Iterator[Row]:
    """The duration, the peak memory and the growth of a command without a server."""
    task = f"`{' '.join(words)}` of {COUNT:,} resources"
    yield compare(
        f"{task} / `python -c 'import pydantic; …'`",
        IMPORTS,
        lambda: run([QDRANTCTL, *words], many),
        lambda: run(IMPORT, many),
        repeats=5,
    )
    pairs = [(run([QDRANTCTL, *words], many), run([QDRANTCTL, *words], few)) for _ in range(3)]
    ratio = statistics.median(large.cpu / small.cpu for large, small in pairs)
    yield Row(f"its processor time / that of {FEW:,}", "", "", f"{ratio:.1f}", f"{LINEAR:g} x",
              ratio <= LINEAR)  # fmt: skip
    run([PYTHON, "-c", PEAK, QDRANTCTL, *words], many)
    peak = int((many / "peak").read_text())
    yield Row("its peak memory", f"{peak} MiB", "", "", f"{MEMORY} MiB", peak <= MEMORY)
