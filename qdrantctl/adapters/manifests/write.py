"""Manifests as files: their names, their text, and how they are written."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from qdrantctl.adapters.files.atomic_write import stage_file
from qdrantctl.adapters.yaml.pretty import render_block, render_entry
from qdrantctl.model.address import Address
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.manifest import API_VERSION
from qdrantctl.model.spec import FieldTree

MANIFEST_SUFFIX = ".yaml"
_SAFE_CHARACTERS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LONGEST_STEM = 100
_RESERVED_STEMS = re.compile(r"(qdrantctl|con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""The project file, and the names that Windows reserves for devices."""


def make_file_stems(names: Iterable[str]) -> dict[str, str]:
    """A file name without suffix for each name, unique on every file system.

    A name that is not valid for a file, or that differs from another one in case only, gets a part
    of its digest as suffix.
    """
    result: dict[str, str] = {}
    used_stems: set[str] = set()
    for name in sorted(names):
        stem = name
        is_taken = name.casefold() in used_stems or _RESERVED_STEMS.fullmatch(name)
        if is_taken or len(name) > _LONGEST_STEM or not _SAFE_CHARACTERS.fullmatch(name):
            plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST_STEM]
            stem = f"{plain or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        used_stems.add(stem.casefold())
        result[name] = stem
    return result


def render_manifest(
    kind: str,
    address: Address,
    spec: Mapping[str, Json],
    shape: FieldTree,
    lifecycle: Mapping[str, Json] | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:
    """One manifest as YAML."""
    head: dict[str, Json] = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": address.name} | ({"labels": dict(labels)} if labels else {}),
    }
    lines = [*render_block(head, None, 0, 2), *render_entry("spec", spec, shape, 0, 2)]
    if lifecycle:
        lines += render_entry("lifecycle", lifecycle, None, 0, 2)
    return "".join(f"{line}\n" for line in lines)


def render_file(documents: Iterable[str], schema: str) -> str:
    """The text of a file: the location of its schema, then the manifests."""
    return f"# yaml-language-server: $schema={schema}\n" + "---\n".join(documents)


def write_files(files: Mapping[Path, bytes], before: Mapping[Path, bytes]) -> None:
    """Write every file, or none: all are staged first. Raises QdrantctlError.

    `before` holds the expected content of existing files. A file that is not in it must not exist.
    """
    path = Path()
    try:
        with ExitStack() as staged:
            commits = {}
            for path, data in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                commits[path] = staged.enter_context(stage_file(path, data))
            for path in files:
                _check_unchanged(path, before.get(path))
            for path in commits:
                commits[path]()
    except OSError as error:
        raise QdrantctlError(f"{path} cannot be written: {error.strerror}") from None


def _check_unchanged(path: Path, before: bytes | None) -> None:
    """Raise QdrantctlError if another process changed the file in the meantime."""
    now = path.read_bytes() if os.path.lexists(path) else None
    if now != before:
        raise QdrantctlError(
            f"{path} was changed by another process; no files were written",
            hint="Run the command again.",
        )
