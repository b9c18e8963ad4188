"""Downloads and uploads of snapshot files in pieces, each through a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from uuid import uuid4

from qdrantctl.adapters.qdrant.exchange import READ_TRIES, RETRY_PAUSE, AnswerReader, request_target
from qdrantctl.adapters.qdrant.http import (
    ConnectionFailed,
    HttpConnection,
    HttpResponse,
    ResponseLost,
)
from qdrantctl.model.errors import ClusterError, SnapshotRejected
from qdrantctl.model.step import Call, collection_path

OK, PARTIAL = 200, 206
REJECTED_FILE, NO_ROOM = (400, 422, 500), "No space left"
"""The responses of a server that cannot use a file, or lacks what it needs for it. Other errors
concern the key, a proxy or a quota, but not the file."""


class Transfer:
    """Downloads and uploads of one server."""

    def __init__(
        self,
        connect: Callable[[], HttpConnection],
        answers: AnswerReader,
        report: Callable[[Call, int, float], None],
    ) -> None:
        self._connect = connect
        self._answers = answers
        self._report = report
        """Called for each request with its status and its start time."""

    def download(self, call: Call) -> Iterator[bytes]:
        """The response body of a GET, piece by piece. Raises ClusterError.

        An interrupted download is resumed, as long as it makes progress.
        """
        received, etag, failures = 0, "", 0
        while True:
            connection, started = self._connect(), time.monotonic()
            try:
                response = connection.stream(request_target(call), received, etag)
                self._report(call, response.status, started)
                if response.status not in (OK, PARTIAL):
                    raise self._answers.failure(
                        HttpResponse(response.status, b"".join(response.pieces)), call
                    )
                etag = etag or response.etag
                # Snapshots in object storage do not support ranges: they start from the beginning.
                for piece in _skip_bytes(response.pieces, received if response.status == OK else 0):
                    received, failures = received + len(piece), 0
                    yield piece
                return
            except (ConnectionFailed, ResponseLost) as error:
                failures += 1
                if failures == READ_TRIES or not received:
                    raise self._answers.unanswered(error, call) from None
                time.sleep(RETRY_PAUSE * 2**failures)
            finally:
                connection.close()

    def upload_snapshot(
        self,
        collection: str,
        file_name: str,
        checksum: str,
        priority: str,
        chunks: Iterable[bytes],
        size: int,
    ) -> None:
        """Upload a snapshot file of `size` bytes; the server restores a collection from it.

        Raises SnapshotRejected if the server received every byte, else ClusterError.
        """
        path = collection_path(collection, "snapshots", "upload")
        query = {"wait": "true", "priority": priority, "checksum": checksum}
        call = Call(method="POST", path=path, query=query)
        form = _Form(file_name, chunks, size)
        connection, started = self._connect(), time.monotonic()
        try:
            answer = connection.upload(request_target(call), form, form.length, form.content_type)
            self._report(call, answer.status, started)
            self._answers.result(answer, call, size)
        except (ConnectionFailed, ResponseLost) as error:
            raise self._answers.unanswered(error, call) from None
        except ClusterError as error:
            raise as_rejection(error) if form.is_sent else error from None
        finally:
            connection.close()


def as_rejection(error: ClusterError) -> ClusterError:
    """The error of a server that has the whole snapshot and creates no collection from it."""
    judged = error.from_qdrant and error.status in REJECTED_FILE and NO_ROOM not in error.why
    if not judged:
        return error
    return SnapshotRejected(
        error.what,
        why=error.why,
        hint=error.hint,
        status=error.status,
        maybe_applied=True,
        from_qdrant=True,
    )


class _Form:
    """A multipart body with one file."""

    def __init__(self, file_name: str, chunks: Iterable[bytes], size: int) -> None:
        boundary = uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = (
            f"--{boundary}\r\n"
            f'content-disposition: form-data; name="snapshot"; filename="{file_name}"\r\n'
            "content-type: application/octet-stream\r\n\r\n"
        ).encode()
        self._chunks = chunks
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.length = len(self._head) + size + len(self._tail)
        self.is_sent = False
        """Whether every byte of the file was sent."""

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from self._chunks
        self.is_sent = True
        yield self._tail


def _skip_bytes(pieces: Iterable[bytes], skipped: int) -> Iterator[bytes]:
    """The pieces without the first `skipped` bytes."""
    for piece in pieces:
        rest = piece[skipped:]
        skipped -= len(piece) - len(rest)
        if rest:
            yield rest
