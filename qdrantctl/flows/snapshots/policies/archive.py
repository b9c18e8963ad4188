"""Looks for faults in the file of a snapshot, without a server."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, cast

CONFIG = "config.json"
"""A server needs it to create a collection from a snapshot."""


def archive_fault(chunks: Iterable[bytes]) -> str:
    """Why these bytes are no valid snapshot; empty if no fault is found.

    A snapshot is an archive with the settings and one archive for each segment.
    """
    names: set[str] = set()
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _ChunkReader(chunks)), mode="r|") as archive:
            for member in archive:
                names.add(member.name.removeprefix("./"))
                if member.isfile() and (fault := _member_fault(archive, member)):
                    return fault
    except tarfile.TarError:
        return "the file is not a complete archive"
    return "" if CONFIG in names else f"the archive holds no {CONFIG}"


def _member_fault(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    """The fault of one file of the archive; only JSON files and archives are checked."""
    content = archive.extractfile(member)
    if content is None:
        return ""
    if member.name.endswith(".json"):
        try:
            json.loads(content.read())
        except ValueError:
            return f"{member.name} in the archive is not JSON"
    elif member.name.endswith(".tar"):
        try:
            with tarfile.open(fileobj=content, mode="r|") as segment:
                for _ in segment:
                    pass
        except tarfile.TarError:
            return f"{member.name} in the archive is not a complete archive"
    return ""


class _ChunkReader:
    """Chunks as a file object that is read once, in order."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._held = bytearray()

    def read(self, size: int) -> bytes:
        """`size` bytes; fewer only at the end."""
        with suppress(StopIteration):
            while len(self._held) < size:
                self._held += next(self._chunks)
        piece = bytes(self._held[:size])
        del self._held[:size]
        return piece
