"""The door to the cluster: Qdrant's REST API through the standard library's HTTP client.

Answers are taken as they are (no typed models), so that a newer server does not break a plan.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import TracebackType
from typing import Self

from qdrantctl.adapters.qdrant.exchange import READ_TRIES, RETRY_PAUSE, AnswerReader, request_target
from qdrantctl.adapters.qdrant.http import (
    ConnectionFailed,
    HttpConnection,
    HttpResponse,
    ResponseLost,
    TlsFiles,
)
from qdrantctl.adapters.qdrant.http_proxy import find_proxy
from qdrantctl.adapters.qdrant.prefetch import Prefetcher
from qdrantctl.adapters.qdrant.transfer import Transfer
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

LONGEST_PAUSE = 5.0
RETRIED = frozenset({429, 500, 502, 503, 504})
SERVER_FAILED = 500
"""The server itself failed, as it does at every read of a shard whose node is down: such a read
is tried once more and no longer."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a cluster is and how to get in."""

    url: str
    """Scheme, host, port, perhaps a path prefix; no trailing slash."""
    api_key: str | None = field(default=None, repr=False)
    key_hint: str = ""
    """Where the key came from, or can be stated: what to do when the server refuses."""
    tls: TlsFiles = field(default_factory=TlsFiles)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment variables that name proxies; empty where none may be used."""
    timeout: float = 60.0
    """Seconds that one request may take."""

    def connection(self, api_key: str | None, timeout: float) -> HttpConnection:
        """A connection to it, opened by its first request. Raises SettingsError."""
        proxy = find_proxy(self.url, self.proxies)
        return HttpConnection(self.url, api_key, timeout, tls=self.tls, proxy=proxy)


class RestClient:
    """One cluster, through one kept-alive connection, and a few more for reads that are expected.

    A `Door` of the ground floor.
    """

    def __init__(
        self, endpoint: Endpoint, *, on_call: Callable[[Call, int, float], None] | None = None
    ) -> None:
        self._endpoint = endpoint
        self._wire = self._open_connection()
        self._ahead = Prefetcher(self._open_connection)
        self._on_call = on_call
        self._answers = AnswerReader(endpoint.url, endpoint.api_key, endpoint.key_hint)
        self._transfer = Transfer(self._open_connection, self._answers, self._report_request)
        self._date = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._ahead.drop_pending()
        self._wire.close()

    def _open_connection(self) -> HttpConnection:
        return self._endpoint.connection(self._endpoint.api_key, self._endpoint.timeout)

    def clone(self) -> RestClient:
        """The same cluster through a connection of its own, for another thread."""
        return RestClient(self._endpoint, on_call=self._on_call)

    def for_node(self, url: str = "", *, timeout: float) -> RestClient:
        """One node of this cluster, or what answers at the same address; for slow requests."""
        there = replace(self._endpoint, url=url or self._endpoint.url, timeout=timeout)
        return RestClient(there, on_call=self._on_call)

    @property
    def url(self) -> str:
        """Where it is asked; every error begins with it."""
        return self._endpoint.url

    @property
    def server_time(self) -> datetime:
        """What the server's clock said with the last answer that told. Raises ClusterError."""
        try:
            return parsedate_to_datetime(self._date)
        except ValueError:
            raise self._answers.error(
                "its answers carry no Date header, so the end of a lease cannot be computed",
                hint="Is there a proxy between that takes it out?",
            ) from None

    @cached_property
    def server(self) -> Server:
        """Version and mode of the server, asked once. Raises ClusterError.

        `GET /cluster` needs a key that sees the whole cluster; with any other key every list
        would silently leave things out.
        """
        about = self.request(Call(method="GET", path="/"))
        if not isinstance(about, dict) or "version" not in about:
            raise self._answers.error("what answers there is not Qdrant", hint="Is the port right?")
        try:
            cluster = self.request(Call(method="GET", path="/cluster"))
        except ClusterError as error:
            if error.forbidden:
                raise self._answers.error(
                    "the key sees only a part of the cluster, so every list would lie",
                    hint="Use a cluster-wide key; a read-only one is enough to plan.",
                    status=error.status,
                ) from None
            raise
        distributed = cluster.get("status") == "enabled"
        return Server(
            version=Version.parse(str(about["version"])),
            url=self._endpoint.url,
            distributed=distributed,
            peers=max(1, len(cluster.get("peers") or {})) if distributed else 1,
        )

    def prefetch(self, calls: Iterable[Call]) -> None:
        """GETs that will be asked for, in this order; some are sent at once."""
        self._ahead.announce(request_target(call) for call in calls)

    def request(self, call: Call) -> Json:
        """The `result` of the answer, or the whole answer where there is none.

        Reads are tried again; a write is sent once, and its error says whether it may have been
        applied all the same. Raises ClusterError.
        """
        target = request_target(call)
        body = b"" if call.body is ABSENT else json.dumps(call.body).encode()
        if call.writes:
            return self._answers.result(self._exchange(call, target, body), call)
        pause = RETRY_PAUSE
        for left in range(READ_TRIES - 1, -1, -1):
            try:
                answer = self._exchange(call, target, body)
            except ClusterError as error:
                if not left or not error.maybe_applied:
                    raise
            else:
                done = not left or (answer.status == SERVER_FAILED and left < READ_TRIES - 1)
                if answer.status not in RETRIED or done:
                    return self._answers.result(answer, call)
                pause = max(pause, min(answer.retry_after, LONGEST_PAUSE))
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("the last try returns or raises")

    def download(self, call: Call) -> Iterator[bytes]:
        """The bytes that answer a GET, piece by piece. Raises ClusterError.

        Where the connection is cut it goes on from there, as long as it comes any further.
        """
        return self._transfer.download(call)

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
        self._transfer.upload_snapshot(collection, file_name, checksum, priority, chunks, size)

    def _exchange(self, call: Call, target: str, body: bytes) -> HttpResponse:
        """One exchange. Raises ClusterError when there is no whole answer."""
        started = time.monotonic()
        try:
            ahead = None
            if call.writes:
                self._ahead.drop_pending()
            elif call.method == "GET":
                ahead = self._ahead.take_response(target)
            answer = ahead or self._wire.send(call.method, target, body, writes=call.writes)
        except (ConnectionFailed, ResponseLost) as error:
            raise self._answers.unanswered(error, call) from None
        self._date = answer.date or self._date
        self._report_request(call, answer.status, started)
        return answer

    def _report_request(self, call: Call, status: int, started: float) -> None:
        if self._on_call:
            self._on_call(call, status, time.monotonic() - started)
