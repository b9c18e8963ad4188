"""Digest files: what a pass saw, for the next one. One file for each shard key and range of ids.

A file is a header and records in the order of their keys: the key (17 bytes), the digest of the
source's point (8) and that of the target's (8).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO

from qdrantctl.engine.replacement.decisions import DIGEST_BYTES
from qdrantctl.engine.replacement.join import POINT_KEY_BYTES, KeyedPage, pack_key
from qdrantctl.flows.replacement.passes.context import ShardKey
from qdrantctl.model.points import KeyRange, PointKey

MAGIC = b"QCDIGS4\n"
RECORD_BYTES = POINT_KEY_BYTES + 2 * DIGEST_BYTES
PAGE_RECORDS = 8192
_UNFINISHED = 2**64 - 1
_SIZES = struct.Struct(">QI")
"""The number of records, then the length of the description: JSON that follows."""
_CONFLICTS = "conflicts"


@dataclass(frozen=True, slots=True)
class RangeFile:
    """The place of the digest file of one range."""

    folder: Path
    replacement_id: str
    shard_key: ShardKey
    index: int
    keys: KeyRange

    @property
    def path(self) -> Path:
        """The finished file."""
        return self.folder / f"{_shard_prefix(self.shard_key)}{self.index}"

    @property
    def partial_path(self) -> Path:
        """The file while a pass writes it; it remains if the pass is interrupted."""
        return self.path.with_name(f"{self.path.name}.partial")

    @property
    def header(self) -> bytes:
        """The description at the beginning of the file, with which a file is recognised."""
        described = {
            "replacement": self.replacement_id,
            "shard_key": self.shard_key,
            "start": _point_id(self.keys.start),
            "end": _point_id(self.keys.end),
        }
        return json.dumps(described, sort_keys=True).encode()

    def is_complete(self) -> bool:
        """Whether the finished file is there, whole, and of this range and replacement."""
        with suppress(OSError), self.path.open("rb") as file:
            return _read_header(file) == self.header
        return False

    def read_pages(self) -> Iterator[KeyedPage]:
        """The records; the digests of a page are those of source and target joined."""
        with self.path.open("rb") as file:
            _read_header(file)
            while block := file.read(PAGE_RECORDS * RECORD_BYTES):
                starts = range(0, len(block), RECORD_BYTES)
                yield KeyedPage(
                    [block[start : start + POINT_KEY_BYTES] for start in starts],
                    [block[start + POINT_KEY_BYTES : start + RECORD_BYTES] for start in starts],
                )


class DigestWriter:
    """Writes the digest file of one range beside the finished one, and replaces that one."""

    def __init__(self, place: RangeFile, *, after: PointKey | None = None) -> None:
        """With `after`, go on after this key; check `is_resumed`."""
        self.place = place
        self.is_resumed = False
        self._path = place.partial_path
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        self._start = len(MAGIC) + _SIZES.size + len(place.header)
        if after is not None:
            self.is_resumed = self._cut_after(pack_key(after))
        if not self.is_resumed:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(MAGIC + _SIZES.pack(_UNFINISHED, len(place.header)) + place.header)

    def __enter__(self) -> DigestWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append_records(self, keys: Sequence[bytes], digests: Sequence[bytes]) -> None:
        """Append records, with the digests of source and target joined. Raises OSError."""
        self._file.write(b"".join(chain.from_iterable(zip(keys, digests, strict=True))))

    def flush(self) -> None:
        """Give what was appended to the system, so that it outlives this process."""
        self._file.flush()

    def commit(self) -> None:
        """Replace the finished file. Raises OSError."""
        count = (self._file.seek(0, os.SEEK_END) - self._start) // RECORD_BYTES
        self._file.seek(len(MAGIC))
        self._file.write(_SIZES.pack(count, len(self.place.header)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self.place.path)

    def _cut_after(self, key: bytes) -> bool:
        """Remove the records after a key; whether the file is this range's and has the key."""
        if _read_header(self._file, finished=False) != self.place.header:
            return False
        low, high = 0, (self._file.seek(0, os.SEEK_END) - self._start) // RECORD_BYTES
        while low < high:
            middle = (low + high) // 2
            if self._read_key(middle) <= key:
                low = middle + 1
            else:
                high = middle
        if low == 0 or self._read_key(low - 1) != key:
            return False
        self._file.seek(self._start + low * RECORD_BYTES)
        self._file.truncate()
        return True

    def _read_key(self, index: int) -> bytes:
        self._file.seek(self._start + index * RECORD_BYTES)
        return self._file.read(POINT_KEY_BYTES)


def find_range_files(
    folder: Path, replacement_id: str, shard_key: ShardKey
) -> tuple[RangeFile, ...]:
    """The files of a shard key if they are whole and cover all ids; else none."""
    files: list[RangeFile] = []
    start: PointKey | None = None
    while True:
        path = folder / f"{_shard_prefix(shard_key)}{len(files)}"
        try:
            with path.open("rb") as opened:
                header = json.loads(_read_header(opened) or b"{}")
        except OSError:
            return ()
        end = _parse_id(header.get("end"))
        place = RangeFile(folder, replacement_id, shard_key, len(files), KeyRange(start, end))
        if json.dumps(header, sort_keys=True).encode() != place.header:
            return ()
        files.append(place)
        if end is None:
            return tuple(files)
        start = end


def remove_shard_files(folder: Path, shard_key: ShardKey) -> None:
    """Remove all files of a shard key, damaged ones and those of other ranges too."""
    for path in folder.glob(f"{_shard_prefix(shard_key)}*"):
        path.unlink(missing_ok=True)


def remove_digest_files(folder: Path) -> None:
    """Remove the folder of a replacement that has ended."""
    shutil.rmtree(folder, ignore_errors=True)


def append_conflicts(folder: Path, keys: Sequence[bytes]) -> None:
    """Write down the ids of conflicts. Raises OSError."""
    if not keys:
        return
    descriptor = os.open(folder / _CONFLICTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(b"".join(keys))
        file.flush()
        os.fsync(descriptor)


def read_conflicts(folder: Path) -> list[bytes]:
    """All keys of conflicts that were written down, each once, in their order."""
    try:
        data = (folder / _CONFLICTS).read_bytes()
    except FileNotFoundError:
        return []
    ends = range(POINT_KEY_BYTES, len(data) + 1, POINT_KEY_BYTES)
    return sorted({data[end - POINT_KEY_BYTES : end] for end in ends})


def _read_header(file: IO[bytes], *, finished: bool = True) -> bytes | None:
    """The description of a digest file, read up to the records; None if it is none, or is cut."""
    file.seek(0)
    begin = file.read(len(MAGIC) + _SIZES.size)
    if len(begin) != len(MAGIC) + _SIZES.size or not begin.startswith(MAGIC):
        return None
    count, length = _SIZES.unpack(begin[len(MAGIC) :])
    header = file.read(length)
    size = os.fstat(file.fileno()).st_size
    is_whole = size == len(begin) + length + count * RECORD_BYTES
    return header if len(header) == length and (is_whole or not finished) else None


def _shard_prefix(shard_key: ShardKey) -> str:
    return f"{hashlib.sha256(json.dumps(shard_key).encode()).hexdigest()[:16]}-"


def _point_id(key: PointKey | None) -> int | str | None:
    return None if key is None else key.point_id


def _parse_id(point_id: int | str | None) -> PointKey | None:
    return None if point_id is None else PointKey.parse(point_id)
