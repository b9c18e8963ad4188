"""Files that commands write for other commands: saved plans and reports."""

from __future__ import annotations

from pathlib import Path

from qdrantctl.adapters.project import plan_file
from qdrantctl.model.plan import Plan


def read_plan(path: Path) -> Plan:
    """The plan saved in a file. Raises QdrantctlError; StaleError for one of another format."""
    return plan_file.read_plan_file(path)


def ensure_writable(path: Path | None) -> None:
    """Raise QdrantctlError if the output file at the end of the command cannot be written."""
    if path:
        plan_file.require_writable(path)


def write_document(path: Path, text: str) -> None:
    """Replace a file by a document atomically. Raises QdrantctlError."""
    plan_file.write_plan_file(path, text)
