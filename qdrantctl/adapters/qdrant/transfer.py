"""Snapshot files from a server and to it, piece by piece, each through a connection of its own."""

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
UNFIT = (400, 422, 500)
"""How a server answers that can make nothing of a file, or lacks what it needs for that. Other
answers tell of the key, of something between or of a quota, and nothing of the file."""


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
        """Gets each request with the status of its answer and when it began."""

    def download(self, call: Call) -> Iterator[bytes]:
        """The bytes that answer a GET, piece by piece. Raises ClusterError.

        Where the connection is cut it goes on from there, as long as it comes any further.
        """
        got, etag, failed = 0, "", 0
        while True:
            wire, started = self._connect(), time.monotonic()
            try:
                found = wire.stream(request_target(call), got, etag)
                self._report(call, found.status, started)
                if found.status not in (OK, PARTIAL):
                    self._answers.result(HttpResponse(found.status, b"".join(found.pieces)), call)
                etag = etag or found.etag
                # Object storage has no ranges: it starts over.
                for piece in _skip_bytes(found.pieces, got if found.status == OK else 0):
                    got, failed = got + len(piece), 0
                    yield piece
                return
            except (ConnectionFailed, ResponseLost) as error:
                failed += 1
                if failed == READ_TRIES or not got:
                    raise self._answers.unanswered(error, call) from None
                time.sleep(RETRY_PAUSE * 2**failed)
            finally:
                wire.close()

    def upload_snapshot(
        self,
        collection: str,
        file_name: str,
        checksum: str,
        priority: str,
        chunks: Iterable[bytes],
        size: int,
    ) -> None:
        """Send one file of a snapshot, of `size` bytes, and have a collection made of it.

        Raises SnapshotRejected where the server had every byte, ClusterError where it had not.
        """
        path = collection_path(collection, "snapshots", "upload")
        query = {"wait": "true", "priority": priority, "checksum": checksum}
        call = Call(method="POST", path=path, query=query)
        form = _Form(file_name, chunks, size)
        wire, started = self._connect(), time.monotonic()
        try:
            answer = wire.upload(request_target(call), form, form.length, form.content_type)
            self._report(call, answer.status, started)
            self._answers.result(answer, call)
        except (ConnectionFailed, ResponseLost) as error:
            raise self._answers.unanswered(error, call) from None
        except ClusterError as error:
            raise as_rejection(error) if form.is_sent else error from None
        finally:
            wire.close()


def as_rejection(error: ClusterError) -> ClusterError:
    """The error of a server that has every byte of a snapshot, and makes nothing of it."""
    if error.status not in UNFIT:
        return error
    return SnapshotRejected(
        error.what, why=error.why, hint=error.hint, status=error.status, maybe_applied=True
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
    """The pieces after so many bytes."""
    for piece in pieces:
        rest = piece[skipped:]
        skipped -= len(piece) - len(rest)
        if rest:
            yield rest
