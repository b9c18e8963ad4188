"""`qdrantctl --help` against importing click."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratio import PYTHON, QDRANTCTL, Row, compare, run


def rows(folder: Path) -> Iterator[Row]:
    yield compare(
        "`qdrantctl --help` / `python -c 'import click'`",
        3,
        lambda: run([QDRANTCTL, "--help"], folder),
        lambda: run([PYTHON, "-c", "import click"], folder),
        repeats=21,
    )
