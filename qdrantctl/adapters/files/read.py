"""Reads regular files, each once and up to a size limit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.model.violation import Violation

MAX_SOURCE_BYTES = 10_000_000
"""The largest manifest or project file that is read."""
_SMALLEST_READ = 65_536
"""Bytes; some systems report files as empty that are not."""
READABLE_HINT = "Name a file that can be read; pipe the output of another program to `-f -`."


def read_source(
    path: Path | None, shown: str, stdin: Callable[[], bytes]
) -> SourceText | Violation:
    """The text of a file, or of standard input for None; read once, up to the size limit."""
    blank = SourceText(shown, "")
    try:
        data = stdin() if path is None else read_regular_file(path, MAX_SOURCE_BYTES)
    except OSError as error:
        return blank.make_violation(
            "QC001", f"cannot be read: {describe_os_error(error)}", READABLE_HINT
        )
    if data is None or len(data) > MAX_SOURCE_BYTES:
        return blank.make_violation("QC003", "larger than 10 MB", "Split it into several files.")
    try:
        return SourceText(shown, data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        text = SourceText(shown, data.decode(errors="replace"))
        good = data[: error.start].decode()
        hint = "Save it as UTF-8."
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hint = "It looks like UTF-16; save it as UTF-8."
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        return text.make_violation("QC004", message, hint, text.position_at(len(good)))


def read_regular_file(path: Path, max_bytes: int) -> bytes | None:
    """The bytes of a regular file, None where there are more than `most`. Raises OSError."""
    # O_NONBLOCK: opening a fifo without a writer would wait forever.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            file_type = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise OSError(errno.EINVAL, f"it is {file_type}, not a regular file")
        if status.st_size > max_bytes:
            return None
        parts: list[bytes] = []
        remaining = max_bytes + 1
        size = max(status.st_size + 1, _SMALLEST_READ)
        after = status
        while remaining and (part := os.read(number, min(size, remaining))):
            parts.append(part)
            remaining -= len(part)
            after = os.fstat(number)
            if after.st_size == max_bytes + 1 - remaining:
                break  # nothing follows
        if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise OSError(errno.EAGAIN, "it was changed while it was read; run the command again")
    finally:
        os.close(number)
    return b"".join(parts) if remaining else None


def describe_os_error(error: OSError) -> str:
    """The system's error message, as the end of a sentence."""
    message = error.strerror or str(error)
    return message[:1].lower() + message[1:]
