"""`qdrantctl render`: the manifests as they are after templates, and after overlays."""

from __future__ import annotations

import sys
from typing import Any

import click

from qdrantctl.cli.options import project_options, wants_colour
from qdrantctl.cli.plan_options import settings


@click.command()
@click.argument("addresses", metavar="[ADDRESS]…", nargs=-1)
@project_options
@click.option("--numbers", is_flag=True, help="Number the lines of each file, as errors do.")
def command(**words: Any) -> int:
    """Print the manifests as they are after templates, each file with its name above it.

    With ADDRESS, a name or a glob, what is asked of that resource in the end: overlays are laid
    under, and comments say where each of their values stands.

    Exit 1 when a file cannot be read or a template fails; the others are printed all the same.
    """
    if words["addresses"]:
        return _resolved(words)
    from qdrantctl.adapters.manifests.load import Page, render_text
    from qdrantctl.flows.state.desired import sources, stdin
    from qdrantctl.render import diagnostics as violations

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


def _resolved(words: dict[str, Any]) -> int:
    from qdrantctl.flows.project.resolved_manifests import resolved
    from qdrantctl.model.errors import UsageError

    if words["numbers"]:
        raise UsageError("--numbers is for files, not for addresses")
    made = resolved(settings(words, need_server=False), words["addresses"])
    click.echo("---\n".join(made), nl=False)
    return 0


def _numbered(text: str) -> str:
    from qdrantctl.adapters.manifests.load import lines_of

    lines = enumerate(lines_of(text.rstrip()), 1)
    return "\n".join(f"{number:>4} | {line}".rstrip() for number, line in lines)
