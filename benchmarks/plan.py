"""`qdrantctl plan` and `drift` without changes, against GET requests for the same collections."""

from __future__ import annotations

import os
import pty
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.ratio import ENVIRON, PYTHON, QDRANTCTL, Row, compare, run, seconds
from benchmarks.workload import API_KEY, READ_ONLY_KEY, applied_project, names

FEW, MANY = 100, 1000
LINEAR = 1.2 * MANY / FEW
"""A fifth above proportional: the subtracted start-up is itself measured."""
PATIENCE = 0.3
LOOP = """
import http.client, os, sys
connection = http.client.HTTPConnection(sys.argv[1])
key = {"api-key": os.environ["BENCH_KEY"]}
for name in sys.argv[2:]:
    connection.request("GET", "/collections/" + name, headers=key)
    connection.getresponse().read()
"""
PLAN = [QDRANTCTL, "plan", "--detailed-exitcode"]
DRIFT = [QDRANTCTL, "drift"]


def rows(folder: Path) -> Iterator[Row]:
    with (
        applied_project(folder, 1) as (smallest, _),
        applied_project(folder, FEW) as (few, _),
        applied_project(folder, MANY) as (many, url),
    ):
        loop = [PYTHON, "-c", LOOP, urlsplit(url).netloc, *names(MANY)]
        yield compare(
            f"`plan` with nothing to do, {MANY:,} collections / GET of each with `http.client`",
            2.2,
            lambda: run(PLAN, many, environ=API_KEY),
            lambda: run(loop, many, environ=API_KEY),
            repeats=11,
        )
        yield compare(
            f"`drift` of {MANY:,} collections with a read-only key / the same requests",
            2.2,
            lambda: run(DRIFT, many, environ=READ_ONLY_KEY),
            lambda: run(loop, many, environ=READ_ONLY_KEY),
            repeats=11,
        )
        yield _growth_row(smallest, few, many)
        yield _progress_row(many)


def _growth_row(smallest: Path, few: Path, many: Path) -> Row:
    """Processor time of a plan beyond that of a plan of one collection."""
    took = [
        tuple(run(PLAN, project, environ=API_KEY).cpu for project in (smallest, few, many))
        for _ in range(9)
    ]
    start, small, large = (statistics.median(side) for side in zip(*took, strict=True))
    ratio = (large - start) / (small - start)
    return Row(
        f"processor time of `plan`, {MANY:,} collections / {FEW} (start-up subtracted)",
        seconds(large - start),
        seconds(small - start),
        f"{ratio:.1f}",
        f"{LINEAR:g} x",
        ratio <= LINEAR,
    )


def _progress_row(project: Path) -> Row:
    """The time from the start of the process to the first output on a terminal."""
    delay = statistics.median(_first_output_delay(project) for _ in range(11))
    task = "first progress of `plan` on a terminal"
    return Row(task, seconds(delay), "", "", seconds(PATIENCE), delay <= PATIENCE)


def _first_output_delay(project: Path) -> float:
    reader, writer = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(
        PLAN, cwd=project, env=ENVIRON | API_KEY, stderr=writer, stdout=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        os.read(reader, 1)
        return time.perf_counter() - started
    finally:
        while True:  # on Linux reading ends with an error when the other side has closed
            try:
                if not os.read(reader, 4096):
                    break
            except OSError:
                break
        process.wait()
        os.close(reader)
