"""The one writer of files: through links, in one step into plain files, and into pipes and devices.

A plain file is written beside its place and then renamed, so that a reader finds the old bytes or
the new ones. That would take away what a file shares with others (hard links, another user as its
owner, a bind mount, a folder in which nothing can be made): such a file is written in its place.
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
"""What the system answers where a file cannot be replaced, and may be writable all the same."""


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put `data` in place of what a file holds. Raises OSError.

    It returns when a reader of `path` sees the data; a pipe's reader has taken it then. `mode` are
    the rights that a plain file gets; without it an existing file keeps its own.
    """
    with stage_file(path, data, mode=mode) as commit:
        commit()


@contextmanager
def stage_file(path: Path, data: bytes, *, mode: int | None = None) -> Iterator[Callable[[], None]]:
    """As `replace_file`, in two steps: what it yields puts the data in place. Raises OSError.

    So of several files all are seen to have room before the first one changes. What was not put in
    place is gone at the end.
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
    """Of the file that a path leads to; None where there is none yet. Raises OSError."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _can_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_regular_target(path: Path, status: os.stat_result | None) -> bool:
    """Whether it is a plain file, or will be one, that can be replaced by its name."""
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return _open_descriptor(path) is None and (status is None or stat.S_ISREG(status.st_mode))


def _stage_file(
    target: Path, data: bytes, status: os.stat_result | None, mode: int | None
) -> Path | None:
    """The new file, beside its place; None where the old one must be written itself."""
    if status is not None and status.st_nlink > 1:
        return None
    temporary = target.with_name(f".{target.name[:_NAME_LENGTH]}.{secrets.token_hex(6)}")
    existing_mode = stat.S_IMODE(status.st_mode) if status else None
    final_mode = existing_mode if mode is None else mode
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        # Until its rights are the final ones, the file is its user's alone. The umask of a file
        # that is new, and of which nothing else is known, is heeded by the system.
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
    """Whether a new file belongs to the user and the group of the old one, or could be given."""
    with suppress(OSError):
        os.fchown(number, status.st_uid, status.st_gid)
    created = os.fstat(number)
    return (created.st_uid, created.st_gid) == (status.st_uid, status.st_gid)


def _move_into_place(temporary: Path, target: Path) -> bool:
    """Whether the new file could take the place of the old one. Raises OSError."""
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno in _IN_PLACE and _can_write(target):
            return False
        raise
    return True


def _overwrite_file(target: Path, data: bytes, mode: int | None) -> None:
    """Write an existing file in its place. A full disk is met before its first byte changes."""
    number = os.open(target, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(number).st_size
        _reserve_space(number, size, len(data) - size)
        if mode is not None:
            with suppress(PermissionError):  # the rights of another user's file are that user's
                os.fchmod(number, mode)
        _write_all(number, data)
        os.ftruncate(number, len(data))
    finally:
        os.close(number)


def _reserve_space(number: int, size: int, more: int) -> None:
    """Have the disk keep room at the end of a file, where the system can."""
    if more <= 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(number, size, more)
    except OSError:
        os.ftruncate(number, size)
        raise


def _confirm_content(path: Path, data: bytes) -> None:
    """See that a reader of the path gets the data. Raises OSError."""
    try:
        found = path.read_bytes()
    except PermissionError:  # a file that may only be written
        return
    if found != data:
        raise OSError(errno.EAGAIN, "It was changed by another process while it was written")


def _write_stream(path: Path, data: bytes) -> None:
    """Write to a pipe, a device, or a file that this process was given open. Raises OSError."""
    descriptor = _open_descriptor(path)
    number = os.dup(descriptor) if descriptor is not None else _open_for_reader(path)
    try:
        _write_all(number, data)
    finally:
        os.close(number)


def _open_descriptor(path: Path) -> int | None:
    """The number of the open file that a name such as `/dev/stdout` or `/dev/fd/63` stands for."""
    if (number := _STANDARD_STREAMS.get(str(path))) is not None:
        return number
    found = _DESCRIPTOR.fullmatch(str(path))
    return int(found[1] or found[2]) if found else None


def _open_for_reader(path: Path) -> int:
    """The device or pipe, open for writing, as soon as a process reads it. Raises OSError."""

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
