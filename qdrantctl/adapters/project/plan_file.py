"""Files that commands write for other commands, atomically: saved plans and receipts."""

from __future__ import annotations

import json
from pathlib import Path

from qdrantctl.adapters.files.atomic_write import check_writable, replace_file
from qdrantctl.model.errors import QdrantctlError, StaleError
from qdrantctl.model.plan import Plan

MAX_PLAN_BYTES = 200_000_000


def read_plan_file(path: Path) -> Plan:
    """The plan saved in a file. Raises QdrantctlError; StaleError for one that must not be used."""
    try:
        if path.stat().st_size > MAX_PLAN_BYTES:
            raise QdrantctlError(f"{path} is too large to be a saved plan")
        text = path.read_text("utf-8")
    except OSError as error:
        raise QdrantctlError(
            f"{path} cannot be read: {error.strerror}",
            hint="A plan is saved by `qdrantctl plan --out FILE`.",
        ) from None
    except UnicodeDecodeError:
        raise _not_a_plan(path, "it is not text") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_a_plan(path, "it is not JSON") from None
    try:
        return Plan.parse(document)
    except ValueError as error:
        why = str(error).splitlines()[0]
        raise StaleError(f"{path} cannot be used: {why}", hint="Plan again.") from None


def require_writable(path: Path) -> None:
    """Raise QdrantctlError before any change if a file could not be written at the end."""
    try:
        check_writable(path)
    except OSError as error:
        raise QdrantctlError(
            f"{path} cannot be written: {error.strerror}; no changes were made",
            hint="Name a file in an existing folder that you can write to.",
        ) from None


def write_plan_file(path: Path, text: str) -> None:
    """Replace the content of a file with `text`. Raises QdrantctlError."""
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise QdrantctlError(f"{path} cannot be written: {error.strerror}") from None


def _not_a_plan(path: Path, why: str) -> QdrantctlError:
    return QdrantctlError(
        f"{path} is not a saved plan: {why}", hint="A plan is saved by `qdrantctl plan --out FILE`."
    )
