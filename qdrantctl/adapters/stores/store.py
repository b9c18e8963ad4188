"""Where snapshots are put: a folder or a bucket, by one and the same few verbs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from qdrantctl.adapters.stores.folder import FolderStore
from qdrantctl.model.snapshots.destination import FOLDER_SCHEME


class Store(Protocol):
    """A destination."""

    @property
    def url(self) -> str:
        """How it is called."""
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
        """Write a file whole or not at all. Raises StoreError, and what `pieces` raises."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file; nothing where there is none. Raises StoreError."""
        ...


def open_store(url: str) -> Store:
    """The store that a destination names. Raises StoreError."""
    if url.startswith(f"{FOLDER_SCHEME}:"):
        return FolderStore(url)
    # Loading it takes longer than all the rest.
    from qdrantctl.adapters.stores.object_storage import ObjectStore

    return ObjectStore(url)
