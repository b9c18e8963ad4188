"""`qdrantctl render`: the manifests as they are after templates."""

from __future__ import annotations

import sys
from typing import Any

import click

from qdrantctl.cli.options import project_options, wants_colour
from qdrantctl.cli.planning import settings


@click.command()
@project_options
@click.option("--numbers", is_flag=True, help="Number the lines of each file, as errors do.")
def command(**words: Any) -> int:
    """Print the manifests as they are after templates, each file with its name above it.

    Exit 1 when a file cannot be read or a template fails; the others are printed all the same.
    """
    from qdrantctl.edges.manifests import Page, render_text
    from qdrantctl.flows.desired import sources, stdin
    from qdrantctl.render import violations

    chosen = settings(words, need_server=False)
    broken = []
    for found in render_text(sources(chosen), stdin):
        if isinstance(found, Page):
            click.echo(f"--- # {found.file}")
            click.echo(_numbered(found.text) if words["numbers"] else found.text.rstrip())
        else:
            broken.append(found)
    if broken:
        click.echo(violations.text(broken, colour=wants_colour(sys.stderr)), err=True)
    return int(any(found.severity == "error" for found in broken))


def _numbered(text: str) -> str:
    from qdrantctl.edges.manifests import lines_of

    lines = enumerate(lines_of(text.rstrip()), 1)
    return "\n".join(f"{number:>4} | {line}".rstrip() for number, line in lines)
