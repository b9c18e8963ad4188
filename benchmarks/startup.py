"""The start of `plan` and `validate` against importing pydantic, and plans of a far server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.delay_proxy import delay_proxy
from benchmarks.ratio import IMPORT, PYTHON, QDRANTCTL, Row, compare, run
from benchmarks.workload import API_KEY, applied_project, write_project_file

COUNT = 5
ROUND_TRIP = 0.05
LIBRARIES = """
import sys
from pathlib import Path
import click

@click.command()
def validate():
    from pydantic import BaseModel, Field
    from ruamel.yaml.cyaml import CSafeLoader

    class Metadata(BaseModel):
        name: str = Field(min_length=1)

    class Manifest(BaseModel):
        apiVersion: str
        kind: str
        metadata: Metadata
        spec: dict[str, object]

    for path in sorted(Path("manifests").iterdir()):
        Manifest.model_validate(CSafeLoader(path.read_bytes()).get_single_data())
    click.echo("valid")

validate()
"""
"""What the libraries of `validate` take by themselves: it checks next to nothing."""
TRIPS = {"plan": 6, "drift": 7}
"""The round trips that a command may take, that of opening a connection included."""


def rows(folder: Path) -> Iterator[Row]:
    with applied_project(folder, COUNT) as (project, url):
        for task, bound in (("plan", 2.0), ("validate", 1.7)):
            yield compare(
                f"`{task}` of {COUNT} manifests / `python -c 'import pydantic; …'`",
                bound,
                lambda task=task: run([QDRANTCTL, task], project, environ=API_KEY),
                lambda: run(IMPORT, project),
                repeats=21,
            )
        yield compare(
            f"its libraries alone, reading {COUNT} manifests / the same",
            1.7,
            lambda: run([PYTHON, "-c", LIBRARIES], project),
            lambda: run(IMPORT, project),
            repeats=21,
        )
        with delay_proxy(url, ROUND_TRIP) as proxy:
            # `--url` would make it an environment of its own, which owns nothing.
            write_project_file(project, proxy.url, has_key=True)
            for task, bound in TRIPS.items():
                proxy.clear()
                run([QDRANTCTL, task], project, environ=API_KEY)
                yield Row(
                    f"round trips of `{task}` of {COUNT} collections",
                    str(proxy.round_trips),
                    f"{len(proxy.requests)} requests",
                    "",
                    str(bound),
                    proxy.round_trips <= bound,
                )
