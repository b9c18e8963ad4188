"""Manifests as files: what they are called, what stands in them, and how they come to be there."""

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
"""The project file, and what Windows keeps for devices."""


def make_file_stems(names: Iterable[str]) -> dict[str, str]:
    """A file name without suffix for each name, different on any file system.

    A name that a file cannot have, or that differs from another in case alone, is followed by a
    part of its digest.
    """
    result: dict[str, str] = {}
    seen: set[str] = set()
    for name in sorted(names):
        stem = name
        taken = name.casefold() in seen or _RESERVED_STEMS.fullmatch(name)
        if taken or len(name) > _LONGEST_STEM or not _SAFE_CHARACTERS.fullmatch(name):
            plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST_STEM]
            stem = f"{plain or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        seen.add(stem.casefold())
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
    """The text of a file: where its schema is, and manifests."""
    return f"# yaml-language-server: $schema={schema}\n" + "---\n".join(documents)


def write_files(files: Mapping[Path, bytes], before: Mapping[Path, bytes]) -> None:
    """Put every file in place, or none: all are staged first. Raises QdrantctlError.

    A file that is `before` must still hold that; one that is not must not be there.
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
    """Raises QdrantctlError where somebody else wrote the file meanwhile."""
    now = path.read_bytes() if os.path.lexists(path) else None
    if now != before:
        raise QdrantctlError(
            f"{path} was changed meanwhile; nothing was written", hint="Run the command again."
        )
