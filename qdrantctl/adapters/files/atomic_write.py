"""The only writer of files: follows links, replaces plain files atomically, writes to pipes.

A plain file is written to a temporary file in its folder and then renamed, so that a reader gets
the old bytes or the new ones. A rename is not possible, or would lose something, for a file with
hard links, another user as its owner, a bind mount, or a read-only folder: such a file is
overwritten in place.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qdrantctl.model.polling import poll

READER_SECONDS = 10.0
"""How long a pipe waits for a process that reads it."""
_NAME_LENGTH = 50
_STANDARD_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/dev/fd/(\d{1,9})|/proc/self/fd/(\d{1,9})")
_IN_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)
"""Errors of the system for a file that cannot be replaced, but may still be writable."""


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace the content of a file with `data`. Raises OSError.

    It returns when a reader of `path` gets the data; a pipe's reader has read it then. `mode` is
    the mode of a plain file; without it an existing file keeps its own.
    """
    with stage_file(path, data, mode=mode) as commit:
        commit()


@contextmanager
def stage_file(path: Path, data: bytes, *, mode: int | None = None) -> Iterator[Callable[[], None]]:
    """As `replace_file`, in two steps: call the yielded function to replace the file.

    With several files, all can be staged before the first one changes. Data that was not committed
    is removed at the end. Raises OSError.
    """
    status, temporary = _file_status(path), None
    if not _is_regular_target(path, status):
        yield lambda: _write_stream(path, data)
        return
    target = Path(os.path.realpath(path))
    try:
        temporary = _stage_file(target, data, status, mode)

        def commit() -> None:
            if temporary is None or not _move_into_place(temporary, target):
                _overwrite_file(target, data, mode)
            _confirm_content(path, data)

        yield commit
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise OSError for a file that `replace_file` could not write now; nothing is changed."""
    status = _file_status(path)
    if status is not None and _can_write(path) and not stat.S_ISDIR(status.st_mode):
        return
    with stage_file(path, b""):
        pass


def _file_status(path: Path) -> os.stat_result | None:
    """The status of the file at a path, links followed; None without one. Raises OSError."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _can_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_regular_target(path: Path, status: os.stat_result | None) -> bool:
    """Whether it is a plain file, or will be one, that can be replaced by a rename."""
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return _open_descriptor(path) is None and (status is None or stat.S_ISREG(status.st_mode))


def _stage_file(
    target: Path, data: bytes, status: os.stat_result | None, mode: int | None
) -> Path | None:
    """The temporary file with the data; None if the old file must be overwritten in place."""
    if status is not None and status.st_nlink > 1:
        return None
    temporary = target.with_name(f".{target.name[:_NAME_LENGTH]}.{secrets.token_hex(6)}")
    existing_mode = stat.S_IMODE(status.st_mode) if status else None
    final_mode = existing_mode if mode is None else mode
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        # Until it gets its final mode, only its owner can read the file. For a new file without a
        # given mode the system applies the umask.
        number = os.open(temporary, flags, 0o666 if final_mode is None else 0o600)
    except OSError as error:
        if status is not None and error.errno in _IN_PLACE and _can_write(target):
            return None
        raise
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            if status is not None and not _has_owner(number, status):
                temporary.unlink()
                return None
            if final_mode is not None:
                os.fchmod(number, final_mode)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _has_owner(number: int, status: os.stat_result) -> bool:
    """Whether a new file has the user and the group of the old one, or could be given them."""
    with suppress(OSError):
        os.fchown(number, status.st_uid, status.st_gid)
    created = os.fstat(number)
    return (created.st_uid, created.st_gid) == (status.st_uid, status.st_gid)


def _move_into_place(temporary: Path, target: Path) -> bool:
    """Rename the new file to the old one's name; whether that was possible. Raises OSError."""
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno in _IN_PLACE and _can_write(target):
            return False
        raise
    return True


def _overwrite_file(target: Path, data: bytes, mode: int | None) -> None:
    """Overwrite an existing file in place. A full disk is detected before its content changes."""
    number = os.open(target, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(number).st_size
        _reserve_space(number, size, len(data) - size)
        if mode is not None:
            with suppress(PermissionError):  # only its owner can change a file's mode
                os.fchmod(number, mode)
        _write_all(number, data)
        os.ftruncate(number, len(data))
    finally:
        os.close(number)


def _reserve_space(number: int, size: int, more: int) -> None:
    """Reserve disk space at the end of a file, if the system supports it."""
    if more <= 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(number, size, more)
    except OSError:
        os.ftruncate(number, size)
        raise


def _confirm_content(path: Path, data: bytes) -> None:
    """Check that a reader of the path gets the data. Raises OSError."""
    try:
        content = path.read_bytes()
    except PermissionError:  # a file that may only be written
        return
    if content != data:
        raise OSError(errno.EAGAIN, "It was changed by another process while it was written")


def _write_stream(path: Path, data: bytes) -> None:
    """Write to a pipe, a device, or an inherited open file. Raises OSError."""
    descriptor = _open_descriptor(path)
    number = os.dup(descriptor) if descriptor is not None else _open_for_reader(path)
    try:
        _write_all(number, data)
    finally:
        os.close(number)


def _open_descriptor(path: Path) -> int | None:
    """The number of the open file that `/dev/stdout`, `/dev/fd/63` or the like refers to."""
    if (number := _STANDARD_STREAMS.get(str(path))) is not None:
        return number
    match = _DESCRIPTOR.fullmatch(str(path))
    return int(match[1] or match[2]) if match else None


def _open_for_reader(path: Path) -> int:
    """Open a device or pipe for writing as soon as a process reads it. Raises OSError."""

    def attempt() -> int | None:
        try:
            return os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return None

    number = poll(attempt, lambda opened: opened is not None, timeout=READER_SECONDS)
    if number is None:
        raise OSError(errno.ENXIO, f"No process read it within {READER_SECONDS:g} seconds")
    os.set_blocking(number, True)
    return number


def _write_all(number: int, data: bytes) -> None:
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(number, remaining) :]
