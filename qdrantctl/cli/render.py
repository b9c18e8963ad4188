"""`qdrantctl render`: the manifests as they are after templates."""

from __future__ import annotations

from typing import Any

import click

from qdrantctl.cli.options import project_options
from qdrantctl.cli.planning import settings


@click.command()
@project_options
def command(**words: Any) -> int:
    """Print the manifests as they are after templates, each file with its name above it."""
    from qdrantctl.edges.manifests import render_text
    from qdrantctl.flows.desired import sources, stdin

    chosen = settings(words, need_server=False)
    for file, text in render_text(sources(chosen), stdin):
        click.echo(f"--- # {file}\n{text.rstrip()}")
    return 0
