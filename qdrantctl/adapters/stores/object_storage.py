"""A bucket as a destination, through obstore: S3-compatible storage, Google's and Azure's.

Endpoint and credentials come from the environment, as for each store's own tools.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from qdrantctl.model.errors import StoreError, UnreadableFileError

PART_SIZE = 8 << 20
MAX_PARALLEL_PARTS = 4
"""Parts that are uploaded in parallel; with their size this limits the memory."""
_RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
_CLIENT = {"timeout": "300s", "connect_timeout": "10s"}
_ERRORS = (BaseError, OSError)
"""obstore raises FileNotFoundError of the standard library for a missing file."""
_KINDS = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}


class ObjectStore:
    """A `Store` in a bucket."""

    def __init__(self, url: str) -> None:
        self.url = url
        kind, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
        options = _CLIENT | ({"allow_http": True} if plain else {})
        try:
            self._store = _KINDS[kind](
                bucket, prefix=prefix or None, client_options=options, retry_config=_RETRIES
            )
        except (*_ERRORS, ValueError) as error:
            raise self._store_error("cannot be used", error) from None

    def list_files(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Every file under a prefix that ends with `/`, or all with none, with its size.

        A folder with a name that no path can have stands for its files, with a `/` at its end.
        """
        try:
            files = [
                (f["path"], f["size"]) for page in self._store.list(prefix or None) for f in page
            ]
        except InvalidPathError:
            files = list(self._list_folder(prefix))
        except _ERRORS as error:
            raise self._store_error("cannot be listed", error) from None
        yield from files

    def _list_folder(self, folder: str) -> Iterator[tuple[str, int]]:
        """The same folder by folder, so that one odd name hides no more than the names beside it.

        Raises StoreError.
        """
        try:
            listed = self._store.list_with_delimiter(folder or None)
        except InvalidPathError:
            yield f"{folder.rstrip('/')}/", 0
            return
        except _ERRORS as error:
            raise self._store_error("cannot be listed", error) from None
        for file in listed["objects"]:
            yield file["path"], file["size"]
        for below in listed["common_prefixes"]:
            yield from self._list_folder(f"{below}/")

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises StoreError."""
        try:
            for piece in self._store.get(name).stream(min_chunk_size=PART_SIZE):
                yield bytes(piece)
        except (FileNotFoundError, PermissionDeniedError) as error:
            cause = self._store_error(f"{name} cannot be read", error)
            raise UnreadableFileError(cause.what, why=cause.why, hint=cause.hint) from None
        except _ERRORS as error:
            raise self._store_error(f"{name} cannot be read", error) from None

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file atomically. Raises StoreError, and any error of `pieces`."""
        errors: list[BaseException] = []
        try:
            obstore.put(
                self._store,
                name,
                _keep_error(pieces, errors),
                use_multipart=True,
                chunk_size=PART_SIZE,
                max_concurrency=MAX_PARALLEL_PARTS,
            )
        except _ERRORS as error:
            raise (
                errors[0] if errors else self._store_error(f"{name} cannot be written", error)
            ) from None

    def delete(self, name: str) -> None:
        """Delete a file, if it exists. Raises StoreError."""
        try:
            self._store.delete(name)
        except FileNotFoundError:
            return
        except _ERRORS as error:
            raise self._store_error(f"{name} cannot be deleted", error) from None

    def _store_error(self, problem: str, error: Exception) -> StoreError:
        """An error without the store's text, which may contain the name of a key."""
        status = re.search(r"\b([45]\d\d) [A-Z]", str(error))
        if isinstance(error, FileNotFoundError) or (status and status[1] == "404"):
            why, hint = "there is no such bucket or file", "Is the name right, and the region?"
        elif isinstance(error, PermissionDeniedError | UnauthenticatedError) or (
            status and status[1] in ("401", "403")
        ):
            why = "the store refuses these credentials"
            hint = "They come from the environment, as AWS_ACCESS_KEY_ID and the like."
        else:
            why = f"it answered {status[1]}" if status else "it did not respond as expected"
            hint = "Is the store up, and does the environment name its endpoint and credentials?"
        return StoreError(f"{self.url}: {problem}", why=why, hint=hint)


_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
"""An endpoint without TLS is allowed: the operator named it."""


def _keep_error(pieces: Iterable[bytes], errors: list[BaseException]) -> Iterator[bytes]:
    """The pieces. `errors` gets an exception of theirs, as obstore raises another in its place."""
    try:
        yield from pieces
    except BaseException as error:
        errors.append(error)
        raise
