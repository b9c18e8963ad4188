"""Write the generated parts of docs/reference from the program. `make pages` runs it.

docs/reference/fields.md is written by the test that checks it, docs/reference/benchmarks.md by
`make bench`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools import cli_reference, compatibility, replacement_proof, rule_titles, schema_tables

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PAGES: dict[str, Callable[[str], str]] = {
    "cli.md": cli_reference.page,
    "compatibility.md": compatibility.page,
    "replacement-proof.md": replacement_proof.page,
    "project-file.md": schema_tables.fill,
    "manifests.md": schema_tables.fill,
    "json-formats.md": schema_tables.fill,
    "rules.md": rule_titles.update_rules,
    "audit-rules.md": rule_titles.update_audit_rules,
}
"""File name -> from the page as it is to the page as it must be."""


def main() -> None:
    """Rewrite each page that is out of date."""
    for name, update in PAGES.items():
        path = REFERENCE / name
        path.write_text(update(path.read_text() if path.exists() else ""))


if __name__ == "__main__":
    main()
