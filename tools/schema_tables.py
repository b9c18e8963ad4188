"""Tables of fields in docs/reference, from the JSON Schemas of the models.

A page marks a table by `<!-- fields: SCHEMA DEFINITION -->` and `<!-- end of fields -->`, where
DEFINITION is a name under `$defs`, or `.` for the document itself.
"""

from __future__ import annotations

import re
from typing import Any

from qdrantctl.flows.project.json_schemas import build_schema

MARKED = re.compile(
    r"(<!-- fields: (?P<schema>\S+) (?P<definition>\S+) -->\n).*?(<!-- end of fields -->)", re.S
)
Schema = dict[str, Any]


def fill(text: str) -> str:
    """The page with each marked table written from its schema."""
    return MARKED.sub(
        lambda match: f"{match[1]}\n{table(match['schema'], match['definition'])}\n{match[4]}", text
    )


def table(name: str, definition: str) -> str:
    """The fields of one definition, as a table."""
    document = build_schema(name)
    section = document if definition == "." else document["$defs"][definition]
    required = set(section.get("required", ()))
    rows = [
        f"| `{field}` | {type_of(document, schema)} | {'yes' if field in required else ''} "
        f"| {_escape(_description(document, schema))} |"
        for field, schema in section["properties"].items()
    ]
    return "\n".join(["| field | type | required | about |", "|---|---|---|---|", *rows, ""])


def type_of(document: Schema, schema: Schema) -> str:
    """The type of a field in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = document["$defs"].get(name, {})
        return type_of(document, target) if "properties" not in target else "section"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        types = [type_of(document, option) for option in options if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(types))
    kind = schema.get("type", "any")
    if kind == "array" and "items" in schema:
        return f"list of {type_of(document, schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {type_of(document, schema['additionalProperties'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _description(document: Schema, schema: Schema) -> str:
    text = schema.get("description")
    if not text and "$ref" in schema:
        text = document["$defs"][schema["$ref"].rpartition("/")[2]].get("description")
    return " ".join(str(text or "").split())


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
