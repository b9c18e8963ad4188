"""`qdrantctl validate` against ruamel's C loader alone, and its peak memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratio import PYTHON, QDRANTCTL, Row, compare, run
from benchmarks.workload import project

COUNT = 10_000
MEMORY = 400
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
    run([PYTHON, "-c", PEAK, QDRANTCTL, "validate"], project_folder)
    peak = int((project_folder / "peak").read_text())
    yield Row("its peak memory", f"{peak} MiB", "", "", f"{MEMORY} MiB", peak <= MEMORY)
