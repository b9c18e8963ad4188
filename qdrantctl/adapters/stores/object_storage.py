"""A bucket as a destination, through obstore: S3 and what speaks like it, Google's and Azure's.

Endpoint and credentials come from the environment, as each store's own tools read them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

import obstore
from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from qdrantctl.model.errors import StoreError, UnreadableFileError

PART_SIZE = 8 << 20
AT_ONCE = 4
"""Parts that are under way together; with their size this bounds the memory."""
_RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
_CLIENT = {"timeout": "300s", "connect_timeout": "10s"}
_ERRORS = (BaseError, OSError)
"""What is not found is told with the error of the standard library."""
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
        """Every file under a prefix that ends with `/`, or all with none, with its size."""
        try:
            for page in self._store.list(prefix or None):
                for found in page:
                    yield found["path"], found["size"]
        except _ERRORS as error:
            raise self._store_error("cannot be listed", error) from None

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
        """Write a file whole or not at all. Raises StoreError, and what `pieces` raises."""
        held: list[BaseException] = []
        try:
            obstore.put(
                self._store,
                name,
                _keep_error(pieces, held),
                use_multipart=True,
                chunk_size=PART_SIZE,
                max_concurrency=AT_ONCE,
            )
        except _ERRORS as error:
            raise (
                held[0] if held else self._store_error(f"{name} cannot be written", error)
            ) from None

    def delete(self, name: str) -> None:
        """Delete a file; nothing where there is none. Raises StoreError."""
        try:
            self._store.delete(name)
        except FileNotFoundError:
            return
        except _ERRORS as error:
            raise self._store_error(f"{name} cannot be deleted", error) from None

    def _store_error(self, what: str, error: Exception) -> StoreError:
        """In our own words: the store's may hold the name of a key."""
        status = re.search(r"\b([45]\d\d) [A-Z]", str(error))
        if isinstance(error, FileNotFoundError) or (status and status[1] == "404"):
            why, hint = "there is no such bucket or file", "Is the name right, and the region?"
        elif isinstance(error, PermissionDeniedError | UnauthenticatedError) or (
            status and status[1] in ("401", "403")
        ):
            why = "the store refuses these credentials"
            hint = "They come from the environment, as AWS_ACCESS_KEY_ID and the like."
        else:
            why = f"it answered {status[1]}" if status else "it does not answer as it should"
            hint = "Is the store up, and does the environment name its endpoint and credentials?"
        return StoreError(f"{self.url}: {what}", why=why, hint=hint)


_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
"""An endpoint without TLS is allowed: the operator named it."""


def _keep_error(pieces: Iterable[bytes], held: list[BaseException]) -> Iterator[bytes]:
    """The pieces; what they raise is kept, since it comes back as another error."""
    try:
        yield from pieces
    except BaseException as error:
        held.append(error)
        raise
