"""`qdrantctl schema`: the JSON Schemas of what is read and written."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument(
    "name", required=False, metavar="[KIND|manifest|project|plan|report|drift|state|audit]"
)
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Write to DIR, every schema if none is named.")  # fmt: skip
def command(name: str | None, out: Path | None) -> int:
    """Print a JSON Schema (2020-12): of any manifest, or of what is named."""
    from qdrantctl.flows.project import json_schemas as schema

    if out is None:
        click.echo(schema.text(schema.schema(name or "manifest")), nl=False)
        return 0
    for path in schema.write(out, name):
        click.echo(f"wrote {path}")
    return 0
