"""Manifests as files: what they are called, what stands in them, and how they come to be there."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.yaml.pretty import block, lines_of_entry
from qdrantctl.model.address import Address
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.manifest import API_VERSION
from qdrantctl.model.spec import Shape

SUFFIX = ".yaml"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LONGEST = 100
_TAKEN = re.compile(r"(qdrantctl|con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""The project file, and what Windows keeps for devices."""


def stems(names: Iterable[str]) -> dict[str, str]:
    """A file name without suffix for each name, different on any file system.

    A name that a file cannot have, or that differs from another in case alone, is followed by a
    part of its digest.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name in sorted(names):
        stem = name
        taken = name.casefold() in seen or _TAKEN.fullmatch(name)
        if taken or len(name) > _LONGEST or not _SAFE.fullmatch(name):
            plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST]
            stem = f"{plain or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        seen.add(stem.casefold())
        found[name] = stem
    return found


def document(
    kind: str,
    address: Address,
    spec: Mapping[str, Json],
    shape: Shape,
    lifecycle: Mapping[str, Json] | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:
    """One manifest as YAML."""
    head: dict[str, Json] = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": address.name} | ({"labels": dict(labels)} if labels else {}),
    }
    lines = [*block(head, None, 0, 2), *lines_of_entry("spec", spec, shape, 0, 2)]
    if lifecycle:
        lines += lines_of_entry("lifecycle", lifecycle, None, 0, 2)
    return "".join(f"{line}\n" for line in lines)


def file_text(documents: Iterable[str], schema: str) -> str:
    """The text of a file: where its schema is, and manifests."""
    return f"# yaml-language-server: $schema={schema}\n" + "---\n".join(documents)


def write(files: Mapping[Path, bytes], before: Mapping[Path, bytes]) -> None:
    """Put every file in place, or none: all are written beside first. Raises QdrantctlError.

    A file that is `before` must still hold that; one that is not must not be there.
    """
    staged: dict[Path, str] = {}
    path = Path()
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged[path] = _beside(path, data)
        for path in files:
            _unchanged(path, before.get(path))
        for path in files:
            Path(staged[path]).replace(os.path.realpath(path))
            del staged[path]
    except OSError as error:
        raise QdrantctlError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        for temporary in staged.values():
            with suppress(OSError):
                Path(temporary).unlink()


def _beside(path: Path, data: bytes) -> str:
    """A file in the same folder with this content and the rights of the one it will replace."""
    folder = Path(os.path.realpath(path)).parent
    number, temporary = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=folder)
    with os.fdopen(number, "wb") as file:
        file.write(data)
    mask = os.umask(0)
    os.umask(mask)
    Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
    return temporary


def _unchanged(path: Path, before: bytes | None) -> None:
    """Raises QdrantctlError where somebody else wrote the file meanwhile."""
    now = path.read_bytes() if os.path.lexists(path) else None
    if now != before:
        raise QdrantctlError(
            f"{path} was changed meanwhile; nothing was written", hint="Run the command again."
        )
