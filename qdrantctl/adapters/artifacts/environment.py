"""The Jinja environment of generated files. Its templates are in `templates/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from qdrantctl.model.field_rule import Json

_TEMPLATES = Path(__file__).parent / "templates"


def render_template(name: str, /, **values: Json) -> str:
    """The text of `templates/NAME.j2` with these values."""
    return _environment().get_template(f"{name}.j2").render(**values)


@cache
def _environment() -> Environment:
    """An environment with delimiters that no pipeline uses: not `${{ }}`, `{ }`, `[ ]`, `[[ ]]`."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  # texts for YAML and shells, never HTML
    )
