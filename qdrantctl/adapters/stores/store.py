"""Destinations of snapshots: one interface for folders and buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from qdrantctl.adapters.stores.folder import FolderStore
from qdrantctl.model.snapshots.destination import FOLDER_SCHEME


class Store(Protocol):
    """A destination."""

    @property
    def url(self) -> str:
        """The URL of the destination."""
        ...

    def list_files(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Every file under a prefix that ends with `/`, or all with none, with its size.

        A folder below it that cannot be read stands for its files, with a `/` at its end.
        """
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises StoreError, UnreadableFileError if others can be read."""
        ...

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file atomically. Raises StoreError, and any error of `pieces`."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file, if it exists. Raises StoreError."""
        ...


def open_store(url: str) -> Store:
    """The store that a destination names. Raises StoreError."""
    if url.startswith(f"{FOLDER_SCHEME}:"):
        return FolderStore(url)
    # obstore is slow to import.
    from qdrantctl.adapters.stores.object_storage import ObjectStore

    return ObjectStore(url)
