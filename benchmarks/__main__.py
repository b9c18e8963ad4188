"""Runs the benchmarks and prints their table."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from benchmarks.ratio import Row
from qdrantctl import __version__
from tests.support.servers import binary

USUAL = ("help", "validate", "plan", "apply", "keys", "snapshots")
NAMES = (*USUAL, "doors")
HEADING = "| what | ours | baseline | ratio | bound | held |\n|---|---:|---:|---:|---:|---|"
PAGE = """\
# How fast qdrantctl is

Made by `make bench` (`python -m benchmarks --write docs/reference/benchmarks.md`); do not edit it
manually. Each ratio compares two processes that ran in turn, in one run on one machine: a slow or a
busy machine slows both. Seconds are medians, to be compared within a line and not between machines.
Every collection is real, on a cluster of one node; every second one has a payload index.

{table}

{versions}.
"""


def table(rows: Iterable[Row]) -> str:
    cells = [
        (row.what, row.ours, row.baseline, row.ratio, row.bound, "yes" if row.held else "**no**")
        for row in rows
    ]
    return "\n".join([HEADING, *(f"| {' | '.join(line)} |" for line in cells)])


def versions() -> str:
    told = subprocess.run([binary(download=True), "--version"], capture_output=True, text=True)
    server = told.stdout.split()[-1]
    return (
        f"qdrantctl {__version__}, Qdrant {server}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", default=[],
                        help=f"{', '.join(NAMES)}; all but doors by default")  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page, too")
    words = parser.parse_args()
    rows: list[Row] = []
    for name in words.names or USUAL:
        with tempfile.TemporaryDirectory(prefix="qdrantctl-bench-") as folder:
            for row in import_module(f"benchmarks.{name}").rows(Path(folder)):
                rows.append(row)
                print(f"{row.what}: {row.ours} {row.ratio} (bound {row.bound})", file=sys.stderr)
    print(table(rows))
    if words.write:
        page = PAGE.format(table=table(rows), versions=versions())
        words.write.write_text(page, encoding="utf-8")
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
