"""A folder as a destination: a file appears when it is complete and synced to the disk.

The files hold data that the server protects with a key, so only their owner may read them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from qdrantctl.model.errors import StoreError, UnreadableFileError
from qdrantctl.model.frozen import frozen

WRITE_SIZE = 1 << 20
PART_SUFFIX = ".part"
"""The suffix of an incomplete file."""


@frozen
class FolderStore:
    """A `Store` in a folder."""

    url: str

    @property
    def _root(self) -> Path:
        return Path(unquote(urlsplit(self.url).path))

    def list_files(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Every file under a prefix that ends with `/`, or all with none, with its size.

        A folder below it that cannot be read stands for its files, with a `/` at its end. Links
        and devices are no files of a set, and are left out.
        """
        above = self._root / prefix
        failed: list[OSError] = []
        for folder, _, names in os.walk(above, onerror=failed.append):
            for name in sorted(names):
                path = Path(folder, name)
                with suppress(OSError):  # gone meanwhile
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        yield path.relative_to(self._root).as_posix(), status.st_size
        for error in failed:
            if isinstance(error, FileNotFoundError):
                continue
            if Path(error.filename) == above:
                raise self._store_error("cannot be read", error)
            yield f"{Path(error.filename).relative_to(self._root).as_posix()}/", 0

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises StoreError."""
        try:
            with (self._root / name).open("rb") as file:
                while piece := file.read(WRITE_SIZE):
                    yield piece
        except OSError as error:
            cause = self._store_error(f"{name} cannot be read", error)
            raise UnreadableFileError(cause.what, why=cause.why, hint=cause.hint) from None

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file atomically. Raises StoreError, and any error of `pieces`."""
        path = self._root / name
        part = path.with_name(path.name + PART_SUFFIX)
        try:
            _make_folder(path.parent)
            _write_file(part, pieces)
            part.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise self._store_error(f"{name} cannot be written", error) from None
        finally:
            part.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete a file, if it exists. Raises StoreError."""
        path = self._root / name
        try:
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if path.exists():
                raise self._store_error(f"{name} cannot be deleted", error) from None

    def _store_error(self, problem: str, error: OSError) -> StoreError:
        hint = "Check its permissions and the free space on its disk."
        return StoreError(f"{self.url}: {problem}", why=str(error.strerror or error), hint=hint)


def is_missing_folder(url: str) -> bool:
    """Whether a destination is a folder that does not exist."""
    parts = urlsplit(url)
    return parts.scheme == "file" and not Path(unquote(parts.path)).is_dir()


def _write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file and sync it to the disk, in the background while more pieces arrive."""
    # Imported here, since commands that only read do not need it.
    from concurrent.futures import Future, ThreadPoolExecutor

    path.touch(mode=0o600)
    with path.open("wb") as file, ThreadPoolExecutor(1) as behind:
        syncing: Future[None] | None = None
        for piece in pieces:
            file.write(piece)
            if syncing is None or syncing.done():
                # The system reports a disk error only once, so each result is checked.
                if syncing:
                    syncing.result()
                syncing = behind.submit(os.fsync, file.fileno())
        if syncing:
            syncing.result()
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, private to the user. Existing folders are not changed."""
    for path in (*reversed(folder.parents), folder):
        path.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync the new name to the disk, if the file system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
