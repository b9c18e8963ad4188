"""`qdrantctl schema`: the JSON Schemas of input and output files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from qdrantctl.cli.command import Args, define_command, option


@dataclass(frozen=True, kw_only=True)
class SchemaArgs(Args):
    """The arguments of `schema`."""

    name: str | None
    out: Path | None


@define_command(
    SchemaArgs,
    examples=(
        ("qdrantctl schema Collection", "Print the schema of a manifest's kind."),
        ("qdrantctl schema --out schemas", "Write every schema into a folder, for an editor."),
    ),
)
@click.argument(
    "name",
    required=False,
    metavar="[KIND|manifest|project|plan|report|event|drift|state|audit|upgrade]",
)
@option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
        help="Write to the folder DIR: the schema that is named, or every schema.")  # fmt: skip
def command(args: SchemaArgs) -> int:
    """Print the JSON Schema of a file that is read or written.

    Without a name, the schema of any manifest. The schemas follow JSON Schema 2020-12.
    """
    from qdrantctl.flows.project import json_schemas as schema

    if args.out is None:
        click.echo(schema.schema_text(schema.build_schema(args.name or "manifest")), nl=False)
        return 0
    for path in schema.write_schemas(args.out, args.name):
        click.echo(f"wrote {path}")
    return 0
