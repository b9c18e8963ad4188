"""The report of a migration as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.migration import MigrationReport
from qdrantctl.render.diagnostics import violation_lines
from qdrantctl.render.shared.ansi import Paint
from qdrantctl.render.shared.escape import count_noun, escape_line


def migration_lines(report: MigrationReport, paint: Paint) -> Iterator[str]:
    """Each file with its number of fields, or its difference if it was not written."""
    for file in report.files:
        fields = count_noun(file.fields, "field")
        if report.written:
            yield f"wrote {escape_line(file.file)} ({fields})"
        else:
            for line in file.diff.splitlines():
                yield paint(escape_line(line), line[:1])
    for entry in violation_lines(report.left, paint):
        yield from ("", entry)
    if report.left:
        yield ""
    total = sum(file.fields for file in report.files)
    if not total:
        yield "Nothing to rewrite."
    elif not report.written:
        yield f"{count_noun(total, 'field')} to rewrite; no file was written."
